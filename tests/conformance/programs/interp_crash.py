# tries: a crash of the interpreter
# kind: hostile
# outcomes: killed
# signal: SIGSEGV
import ctypes

ctypes.string_at(0)
