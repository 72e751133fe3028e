# tries: recursion inside C code: repr, json, pickle, compare, deallocation
# kind: hostile
# outcomes: finished raised killed out_of_memory
# limits: cpu=2 wall=5
import copy
import json
import pickle

nested = []
for _ in range(200_000):
    nested = [nested]
for use in (repr, json.dumps, pickle.dumps, copy.deepcopy, lambda x: x == [x], hash):
    try:
        use(nested)
    except (RecursionError, TypeError):
        pass
print("held")
