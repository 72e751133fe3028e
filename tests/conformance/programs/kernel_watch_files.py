# tries: watching what others do with their files
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
descriptor = libc.inotify_init1(0)
for path in (b"@HOME@", b"@DROP@", b"/etc", b"/"):
    if descriptor >= 0 and libc.inotify_add_watch(descriptor, path, 0xFFF) >= 0 and path != b"/":
        print("BREACH watches", path)
if libc.fanotify_init(0, 0) >= 0:
    print("BREACH fanotify")
