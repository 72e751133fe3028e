# tries: an array larger than it may have
# kind: hostile
# needs: numpy
# outcomes: out_of_memory
# limits: memory=512M cpu=2 wall=6
import numpy

a = numpy.ones((1 << 27,))
b = a + a
print("BREACH", b.nbytes)
