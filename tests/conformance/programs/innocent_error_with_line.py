# tries: an honest error; the line must be told
# kind: innocent
# outcomes: raised
# prints: before
# line: 9
# error: KeyError: 'missing'
def look(table):
    print("before")
    return table["missing"]


look({})
