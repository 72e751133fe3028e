# tries: reading and writing outside through symbolic links
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import os

os.symlink("@HOME@/secret", "secret")
os.symlink("@DROP@/mt-breach-symlink", "drop")
os.symlink("@DROP@", "directory")
for path in ("secret", "directory/../home/secret"):
    try:
        print("read", open(path).read())
    except OSError:
        pass
for path in ("drop", "directory/mt-breach-symlink-2"):
    try:
        with open(path, "w") as file:
            file.write("x")
        print("BREACH wrote", path)
    except OSError:
        pass
