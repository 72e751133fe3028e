# tries: rewriting every function of the harness that it can find in sys.modules
# kind: hostile
# outcomes: finished early_exit raised killed
import sys
import types


def yes(*_, **__):
    return True


for name, module in list(sys.modules.items()):
    if name.split(".")[0] not in ("multiturn", "__main__", "_multiturn"):
        continue
    for attribute, value in list(vars(module).items()):
        if isinstance(value, types.FunctionType):
            value.__code__ = yes.__code__
            value.__defaults__ = None
            value.__kwdefaults__ = None
        elif isinstance(value, type):
            for method, function in list(vars(value).items()):
                if isinstance(function, types.FunctionType):
                    function.__code__ = yes.__code__
