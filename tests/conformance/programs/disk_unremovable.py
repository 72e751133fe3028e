# tries: names and permissions that make cleaning up hard
# kind: hostile
# outcomes: finished raised
import os

os.mkdir("locked")
open("locked/file", "w").close()
os.mkdir("locked/inner")
open("locked/inner/file", "w").close()
os.mkdir(b"bytes\xff\xfe\n")
open(b"bytes\xff\xfe\n/\x01 \t", "w").close()
open("-rf", "w").close()
open("n" * 255, "w").close()
os.symlink("/", "root")
os.symlink("@HOME@", "home")
os.symlink("loop", "loop")
os.mkfifo("fifo")
os.chmod("locked/inner", 0)
os.chmod("locked", 0)
os.chmod(".", 0)
