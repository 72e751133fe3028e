# tries: an exception that does harm when it is shown
# kind: hostile
# outcomes: raised early_exit timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import os


class Meta(type):
    @property
    def __name__(cls):
        os._exit(0)


class Hostile(Exception, metaclass=Meta):
    def __str__(self):
        while True:
            pass

    __repr__ = __str__

    @property
    def __traceback__(self):
        os._exit(0)

    @property
    def __class__(self):
        return SystemExit


raise Hostile()
