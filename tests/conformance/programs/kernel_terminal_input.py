# tries: typing into the terminal of whoever started it
# kind: hostile
# outcomes: finished
import fcntl
import os
import termios

descriptors = list(range(64))
try:
    descriptors.append(os.open("/dev/tty", os.O_RDWR))
    print("BREACH has a terminal")
except OSError:
    pass
for descriptor in descriptors:
    for request, argument in ((termios.TIOCSTI, b"x"), (0x541C, bytes(8))):  # 0x541C: TIOCLINUX
        try:
            fcntl.ioctl(descriptor, request, argument)
        except OSError:
            continue
        print("BREACH typed into", descriptor)
