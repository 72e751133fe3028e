# tries: exceptions of its own, groups, chains, cleaning up, context managers
# kind: innocent
# outcomes: finished
# prints: ['cause', 'finally', 'group', 'context']
import contextlib
import traceback


class Trouble(ValueError):
    pass


steps = []
try:
    try:
        raise KeyError("cause")
    except KeyError as error:
        raise Trouble("trouble") from error
except Trouble as error:
    steps.append(error.__cause__.args[0])
    traceback.format_exc()
finally:
    steps.append("finally")
try:
    raise ExceptionGroup("group", [ValueError(1), TypeError(2)])
except* ValueError as group:
    steps.append(group.message)
except* TypeError:
    pass
with contextlib.suppress(ZeroDivisionError):
    1 / 0
steps.append("context")
print(steps)
