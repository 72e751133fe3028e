# tries: leaving a core file behind
# kind: hostile
# outcomes: killed
import os
import resource

try:
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    print("BREACH core files allowed")
except (OSError, ValueError):
    pass
os.abort()
