# tries: the tempfile module: files, directories, spooled files
# kind: innocent
# outcomes: finished
# prints: hello 3 gone
import os
import tempfile

with tempfile.NamedTemporaryFile("w+", suffix=".txt") as file:
    file.write("hello")
    file.flush()
    text = open(file.name).read()
with tempfile.TemporaryDirectory() as directory:
    for number in range(3):
        open(os.path.join(directory, str(number)), "w").close()
    count = len(os.listdir(directory))
with tempfile.SpooledTemporaryFile() as spooled:
    spooled.write(b"x")
with tempfile.TemporaryFile() as nameless:
    nameless.write(b"x")
print(text, count, "still there" if os.path.exists(directory) else "gone")
