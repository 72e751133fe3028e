# tries: a round trip of its own classes through pickle, copy and json
# kind: innocent
# outcomes: finished
# prints: Box(3) True
import copy
import json
import pickle


class Box:
    def __init__(self, size):
        self.size = size

    def __repr__(self):
        return f"Box({self.size})"


box = pickle.loads(pickle.dumps(Box(3)))
print(box, json.loads(json.dumps(vars(copy.deepcopy(box)))) == {"size": 3})
