# tries: an answer that is small here and huge when written
# kind: forgery
# outcomes: finished
# limits: cpu=2 wall=6 memory=512M
def answer(question):
    value = "x"
    for _ in range(40):
        value = [value, value]
    return value
