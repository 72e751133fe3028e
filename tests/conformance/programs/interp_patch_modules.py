# tries: other modules in the place of those that the harness may import later
# kind: hostile
# outcomes: finished early_exit raised
import sys


class Empty:
    def __getattr__(self, name):
        raise SystemExit(0)


for name in list(sys.modules):
    if name not in ("sys", "builtins"):
        sys.modules[name] = Empty()
sys.path.clear()
sys.meta_path.clear()
sys.path_hooks.clear()
