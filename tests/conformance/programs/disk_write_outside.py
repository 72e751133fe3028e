# tries: writing in every place outside that it can think of
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import os
import sys
import sysconfig

places = {
    "@HOME@",
    "@DROP@",
    "/var/tmp",
    "/dev/shm",
    "/run",
    "/etc",
    "/usr",
    "/root",
    "/home",
    "/",
    sys.prefix,
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("purelib"),
    os.path.dirname(os.__file__),
    os.path.expanduser("~"),
}
here = os.path.realpath(".")
for place in places:
    if os.path.realpath(place) in (here, os.path.realpath("/tmp")):
        continue
    for flags in (os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_TMPFILE):
        path = place if flags & os.O_TMPFILE == os.O_TMPFILE else place + "/mt-breach-file"
        try:
            descriptor = os.open(path, flags, 0o644)
        except OSError:
            continue
        # A private file system of the sandbox is no breach; the disk of the machine is.
        if os.fstat(descriptor).st_dev != os.stat(here).st_dev or "@DROP@" in path:
            print("BREACH wrote in", place)
for path in (os.__file__, "/etc/passwd", "@HOME@/secret"):
    try:
        os.open(path, os.O_WRONLY | os.O_APPEND)
    except OSError:
        continue
    print("BREACH opened for writing", path)
