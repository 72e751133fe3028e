# tries: an object that claims to be of another class
# kind: forgery
# outcomes: finished
class Lying:
    @property
    def __class__(self):
        return str

    def __eq__(self, other):
        return True

    def __reduce__(self):
        return (print, ("BREACH unpickled",))


def answer(question):
    return Lying()
