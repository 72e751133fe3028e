# tries: files and directories in the working directory, with every common module
# kind: innocent
# outcomes: finished
# prints: ['a.txt', 'b.json', 'c.csv', 'd.zip', 'e.gz', 'sub'] 10
import csv
import glob
import gzip
import json
import os
import pathlib
import shutil
import zipfile

pathlib.Path("a.txt").write_text("text\n" * 10)
json.dump({"x": 1}, open("b.json", "w"))
with open("c.csv", "w", newline="") as file:
    csv.writer(file).writerows([[1, 2], [3, 4]])
with zipfile.ZipFile("d.zip", "w") as archive:
    archive.write("a.txt")
with gzip.open("e.gz", "wt") as file:
    file.write("x" * 1000)
os.makedirs("sub/deeper", exist_ok=True)
shutil.copy("a.txt", "sub/deeper/copy.txt")
os.rename("sub/deeper/copy.txt", "sub/moved.txt")
os.symlink("sub/moved.txt", "link")
os.remove("link")
shutil.rmtree("sub/deeper")
print(sorted(glob.glob("*")), len(open("sub/moved.txt").readlines()))
