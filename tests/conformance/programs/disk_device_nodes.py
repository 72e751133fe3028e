# tries: device nodes, and the devices that are there
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's devices are open
import os
import stat

for name, major, minor in (("mem", 1, 1), ("disk", 254, 0), ("sda", 8, 0), ("kmsg", 1, 11)):
    try:
        os.mknod(name, 0o600 | stat.S_IFBLK, os.makedev(major, minor))
        print("BREACH made a node", name)
    except OSError:
        pass
for name in ("mem", "kmem", "port", "kmsg", "vda", "sda", "fuse", "kvm", "net/tun", "ptmx", "tty"):
    try:
        os.open("/dev/" + name, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        continue
    print("BREACH opened /dev/" + name)
