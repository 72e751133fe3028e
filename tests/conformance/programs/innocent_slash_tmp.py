# tries: a file in /tmp by its full name
# kind: innocent
# outcomes: finished
# prints: kept
# gap LANDLOCK: there is no private /tmp; only the working directory and tempfile's place
# gap LIMITS_ONLY: /tmp is the machine's own
with open("/tmp/mt-notes.txt", "w") as file:
    file.write("kept")
print(open("/tmp/mt-notes.txt").read())
