# tries: the shadow file and other files of the system that hold secrets
# kind: hostile
# outcomes: finished
import os

for path in (
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/ssh/ssh_host_rsa_key",
    "/proc/kcore",
    "/dev/mem",
    "/var/run/docker.sock",
    "/run/secrets",
):
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    print("BREACH opened", path, os.fstat(descriptor).st_size)
