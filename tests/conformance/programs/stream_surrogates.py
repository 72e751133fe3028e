# tries: printing text that has no encoding
# kind: hostile
# outcomes: raised
# prints: before
print("before")
print("\ud800")
