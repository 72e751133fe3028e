# tries: numpy: linear algebra, random numbers, files
# kind: innocent
# needs: numpy
# outcomes: finished
# prints: 10.0 [4.0, 9.0] (3, 3)
# limits: cpu=8 wall=25
import numpy as np

matrix = np.array([[2.0, 0.0], [0.0, 5.0]])
rng = np.random.default_rng(0)
assert 0 < rng.normal(size=1000).std() < 2
np.save("matrix.npy", matrix)
assert (np.load("matrix.npy") == matrix).all()
big = np.ones((300, 300)) @ np.ones((300, 300))
assert big[0, 0] == 300
print(round(np.linalg.det(matrix), 6), (np.array([2.0, 3.0]) ** 2).tolist(), np.eye(3).shape)
