"""The few system calls that isolation needs and Python does not have, through ctypes."""
