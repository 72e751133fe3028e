# tries: generators that refuse to be closed
# kind: hostile
# outcomes: finished raised early_exit
def stubborn():
    while True:
        try:
            yield 1
        except GeneratorExit:
            continue


kept = [stubborn() for _ in range(100)]
for generator in kept:
    next(generator)
globals()["__builtins__"] = kept
