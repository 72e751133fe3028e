# tries: exceptions that `except Exception` does not catch
# kind: hostile
# outcomes: raised
# line: 9
class Odd(BaseException):
    pass


raise Odd("neither an exit nor an interrupt")
