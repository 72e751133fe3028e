# tries: inspect, ast, exec, eval, importlib, doctest, unittest and linecache on itself
# kind: innocent
# outcomes: finished
# prints: 7 ['add'] 3 OK
import ast
import importlib
import inspect
import io
import unittest


def add(a, b):
    """Adds.

    >>> add(1, 2)
    3
    """
    return a + b


class AddTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)


scope = {}
exec("def f(): return 7", scope)
names = [n.name for n in ast.parse("def add(): pass").body]
assert importlib.import_module("collections").Counter("aa")["a"] == 2
assert list(inspect.signature(add).parameters) == ["a", "b"]
suite = unittest.defaultTestLoader.loadTestsFromTestCase(AddTest)
ran = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
print(scope["f"](), names, eval("add(1, 2)"), "OK" if ran.wasSuccessful() else ran)
