# tries: text that lies about its content, length and hash
# kind: forgery
# outcomes: finished
class Lying(str):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return hash("")

    def __len__(self):
        return 0

    def __str__(self):
        return self

    __repr__ = __format__ = __str__


def answer(question):
    return Lying("wrong")
