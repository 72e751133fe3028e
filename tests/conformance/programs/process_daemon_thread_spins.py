# tries: daemon threads that spin while the program ends
# kind: hostile
# outcomes: finished
# prints: main is over
# limits: cpu=2 wall=5
import threading


def work():
    while True:
        pass


for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
print("main is over")
