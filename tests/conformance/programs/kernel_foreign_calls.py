# tries: system calls by another convention (x32, 32 bit), which a careless filter passes
# kind: hostile
# outcomes: finished killed
# gap LIMITS_ONLY: all system calls are open
import ctypes
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
if os.uname().machine == "x86_64":
    if libc.syscall(0x40000000 + 41, 2, 1, 0) >= 0:
        print("BREACH socket by x32", flush=True)
    # mov eax, 20 (getpid in the 32-bit table); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0:
        print("BREACH a 32-bit call", flush=True)
