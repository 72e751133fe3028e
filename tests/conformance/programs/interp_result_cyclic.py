# tries: a result that contains itself
# kind: hostile
# outcomes: finished raised
# result: result
# value: absent
result = []
result.append(result)
