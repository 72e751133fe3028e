# tries: never answering
# kind: forgery
# outcomes: finished
# limits: cpu=1 wall=2
import time


def answer(question):
    time.sleep(1000)
