# tries: another uid, other groups, capabilities, and programs with the setuid bit
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: another program can take the place of this one
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
before = os.getresuid(), os.getresgid()
if 0 in before[0]:
    # Inside a user namespace uid 0 may be a mere name; what it can do is what counts.
    try:
        os.open("/etc/shadow", os.O_RDONLY)
        print("BREACH root outside")
    except OSError:
        pass
else:
    for change in (
        lambda: os.setuid(0),
        lambda: os.setgid(0),
        lambda: os.setresuid(0, 0, 0),
        lambda: os.setgroups([0]),
        lambda: os.setreuid(-1, 1),
    ):
        try:
            change()
        except OSError:
            continue
        print("BREACH changed ids", os.getresuid(), os.getgroups())

NO_NEW_PRIVS_GET = 39
if libc.prctl(NO_NEW_PRIVS_GET, 0, 0, 0, 0) != 1:
    print("BREACH setuid programs would gain privileges")
for program in ("/bin/su", "/usr/bin/sudo", "/usr/bin/passwd", "/bin/mount"):
    try:
        os.execv(program, [program, "--version"])
    except OSError:
        pass
