# tries: a result that does harm when it is looked at
# kind: hostile
# outcomes: finished raised early_exit timed_out_cpu timed_out_wall
# result: result
# value: not 42
# limits: cpu=1 wall=3
import os


class Number(int):
    def __format__(self, _):
        return "2a"

    def bit_length(self):
        return 1

    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def __getattribute__(self, name):
        os._exit(0)


result = Number(7)
