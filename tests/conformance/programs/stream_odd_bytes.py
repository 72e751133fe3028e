# tries: bytes that are no text: invalid UTF-8, NUL, terminal control, separators
# kind: hostile
# outcomes: finished
import os

os.write(1, b"\xff\xfe\x00\x80 \xed\xa0\x80 \x1b]0;title\x07\x1b[2J \r\n\x00\x85\xe2\x80\xa8 end\n")
os.write(2, bytes(range(256)))
