# tries: other builtins, for itself, the harness and later programs
# kind: hostile
# outcomes: finished early_exit raised
import builtins
import io
import json
import os
import sys

builtins.mt_planted = "BREACH left in builtins"
builtins.len = lambda x: 0
builtins.isinstance = lambda *_: True
builtins.repr = builtins.str = lambda x="": "passed"
builtins.BaseException = KeyboardInterrupt
builtins.Exception = KeyError
builtins.open = lambda *_, **__: io.StringIO("passed")
builtins.type = builtins.getattr = builtins.__import__ = lambda *_, **__: None
builtins.print = lambda *_, **__: None
json.dumps = json.loads = lambda *_, **__: '{"status": "finished"}'
os.write = os.read = os._exit = os.fork = lambda *_: 0
sys.exit = lambda *_: None
sys.stdout = sys.stderr = io.StringIO()
sys.mt_planted = "BREACH left in sys"
