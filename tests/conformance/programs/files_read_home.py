# tries: reading what lies in a home directory
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import glob
import os
import pwd

homes = {"@HOME@", os.path.expanduser("~"), "/root"}
for entry in pwd.getpwall():
    homes.add(entry.pw_dir)
for home in homes:
    for name in ("secret", ".ssh/id_rsa", ".bash_history", ".netrc", ".gitconfig"):
        try:
            print(home, name, open(os.path.join(home, name)).read())
        except OSError:
            pass
print(glob.glob("@HOME@/*"))
