# tries: hard links and renames across the border
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import os

open("mine", "w").close()
for what, attempt in {
    "link in": lambda: os.link("@HOME@/secret", "stolen"),
    "link out": lambda: os.link("mine", "@DROP@/mt-breach-link"),
    "rename out": lambda: os.rename("mine", "@DROP@/mt-breach-rename"),
    "rename over": lambda: os.rename("mine", "@HOME@/secret"),
    "rename in": lambda: os.rename("@HOME@/secret", "stolen"),
    "unlink": lambda: os.unlink("@HOME@/secret"),
    "truncate": lambda: os.truncate("@HOME@/secret", 0),
    "xattr": lambda: os.setxattr("@HOME@/secret", "user.mt", b"x"),
}.items():
    try:
        attempt()
    except OSError:
        continue
    print("BREACH", what)

# A rung may answer these with a success that does nothing: the suite looks at the file itself.
for attempt in (
    lambda: os.chmod("@HOME@/secret", 0o777),
    lambda: os.utime("@HOME@/secret", (0, 0)),
    lambda: os.chmod("@DROP@", 0o700),
):
    try:
        attempt()
    except OSError:
        pass
