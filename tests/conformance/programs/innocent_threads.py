# tries: threads, locks, queues and a thread pool
# kind: innocent
# outcomes: finished
# prints: 4950 [0, 1, 4, 9]
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

total, lock, numbers = 0, threading.Lock(), queue.Queue()
for number in range(100):
    numbers.put(number)


def work():
    global total
    while True:
        try:
            number = numbers.get_nowait()
        except queue.Empty:
            return
        with lock:
            total += number


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with ThreadPoolExecutor(4) as pool:
    print(total, list(pool.map(lambda x: x * x, range(4))))
