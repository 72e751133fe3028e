"""Steps that miss the name or the print that was asked for."""

from __future__ import annotations

import pytest

from multiturn.synthesis.alignment import (
    align_step,
    asks_to_print,
    missing_names,
    names_asked_for,
    names_made,
    unused_names,
)


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ('Assign 3 to a variable named "count".', ("count",)),
        ("Make a list named prices with 3.5 and 12.", ("prices",)),
        ("Write a function with_tax(price) that returns price times 1.2.", ("with_tax",)),
        ("Define a class `Stack` with a method `push`.", ("Stack", "push")),
        ("Print the sum.", ()),
        ("Print \"hello world\" and 'a b'.", ()),
        ('Print "if" and "class".', ()),
        ("Store it in \u201ctotal\u201d.", ("total",)),
    ],
)
def test_names_in_a_prompt(prompt, names):
    assert names_asked_for(prompt) == names


@pytest.mark.parametrize(
    ("prompt", "code", "known", "aligned"),
    [
        # Another name.
        ('Define "twice" of n.', "def double(n):\n    return 2 * n", [], "twice = double"),
        ('Store the sum of x in "total".', "result = sum(x)", ["x"], "total = result"),
        ('Store it in "y".', "a = 1; a", [], "y = a"),
        # A value that is not stored.
        ('Sort x and store it in "y".', "sorted(x)", ["x"], "y = sorted(x)"),
        # A print that is missing.
        ("Print the sum of x.", "sum(x)", ["x"], "print(sum(x))"),
        ("Then print it.", "x = 3\nx", [], "print(x)"),
        ("Count the odd ones and print the count.", "n = odd(x)", ["x"], "n = odd(x)\nprint(n)"),
        ("Sort x, then print it.", "y = sorted(x)", ["x"], "print(y)"),
        ("Add 1 to x. Print x.", "x + 1", ["x"], "print(x + 1)"),
        # A value in the wrong form.
        ("Print a list of x and y.", "print(x, sum(y))", ["x", "y"], "print([x, sum(y)])"),
        ("Finally, print the list of both.", "print(x, y)  # 3 4", ["x", "y"], "print([x, y])"),
        # A value that is computed in vain.
        ('Sort "x".', "sorted(x)", ["x"], "x = sorted(x)"),
        ('Sort "t" by value.', "t.sort_values(by='a')", ["t"], "t = t.sort_values(by='a')"),
    ],
)
def test_what_is_completed(prompt, code, known, aligned):
    assert align_step(prompt, code, known).endswith(aligned)
    assert align_step(prompt, code, known) != code


@pytest.mark.parametrize(
    ("prompt", "code", "known"),
    [
        ('Store it in "y".', "y = 3", []),  # right already
        ('Double "x".', "x *= 2", ["x"]),
        ('Store it in "y".', "a = 1\nb = 2", []),  # two ways
        ('Store them in "y" and "z".', "a = 1", []),  # two names
        ('Store the length in "n".', "for word in words:\n    print(word)", ["words"]),
        ('Store it in "y".', "x.sort()", ["x"]),  # an effect, no value
        ('Store it in "y".', "print(x)", ["x"]),
        ('Store it in "y".', "import math", []),
        ("Print the sum of x.", "print(sum(x))", ["x"]),
        ("Print x.", "def show():\n    print(x)\nshow()", ["x"]),
        ("Sort x.", "sorted(x)", ["x"]),  # nothing is asked for by name
        ("Print x and y.", "print(x, y)", ["x", "y"]),
        ("Print a list of x and y.", "print(*x)", ["x"]),
        ("Print a list of x and y.", "print(x, y, sep=',')", ["x", "y"]),
        ("Print a list of names.", "print('names:', x)", ["x"]),
        ('Sort "x".', "x.sort()", ["x"]),
        ('Sort "x".', "y.copy()", ["x", "y"]),
        ('Store it in "y".', "y = = 3", []),
        ('Store it in "y".', "", []),
    ],
)
def test_what_stays_as_it_is(prompt, code, known):
    assert align_step(prompt, code, known) == code


def test_the_names_of_a_program():
    source = (
        "import numpy as np\nfrom os import path\nx, y = 1, 2\ndef f():\n    z = 3\nclass A: pass"
    )
    assert names_made(source) == ["np", "path", "x", "y", "f", "A"]
    assert names_made("x = = 1") == []


@pytest.mark.parametrize(
    ("prompt", "code", "before", "names"),
    [
        ('Store the largest of "x" in "top".', "best = max(x)", "x = [1]", ("top",)),
        ('Store the largest of "x" in "top".', "top = max(x)", "x = [1]", ()),
        ('Define a function "twice" of n.', "def double(n):\n    return 2 * n", "", ("twice",)),
        ('Make a dictionary "ages" with the key "ann".', 'ages = {"ann": 1}', "", ()),
        ('Print "yes" if x is even, and "no" if not.', "print('yes' if x else 'no')", "x = 1", ()),
        ('Store it in "y".', "y = = 1", "", ()),
        ('Store it in "y".', "", "", ("y",)),
    ],
)
def test_names_that_a_step_lacks(prompt, code, before, names):
    assert missing_names(prompt, code, names_made(before)) == names


@pytest.mark.parametrize(
    ("prompt", "code", "known", "names"),
    [
        ('Make "lost", the numbers not in "pages".', "lost = [3, 4]", ["pages"], ("pages",)),
        ('Join "a" and "b" as "c".', "c = a", ["a", "b"], ()),
        ('Join "a" and "b" as "c".', "c = 'xy'", ["a", "b"], ("a", "b")),
        ('Set "x" to 5.', "x = 5", ["x"], ()),
        ('Print "x".', "print(3)", ["x"], ("x",)),
        ('Make a list "x" of 1 and 2.', "x = [1, 2]", ["y"], ()),
        ('Define "f" that adds "x".', "def f(n):\n    return n + x", ["x"], ()),
        ('Print "x".', "print(", ["x"], ()),
    ],
)
def test_names_that_a_step_should_use(prompt, code, known, names):
    assert unused_names(prompt, code, known) == names


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [
        ("Print x.", True),
        ("Finally, print x.", True),
        ("Sort x and print it.", True),
        ("Sort x; then print it.", True),
        ("Sort x, and finally print it.", True),
        ("Write a function that sorts a list and print what it gives for x.", False),
        ("Define a method to print x.", False),
        ("Remove what was to be printed.", False),
        ("Count the blueprint pages.", False),
    ],
)
def test_prompts_that_ask_for_a_print(prompt, asks):
    assert asks_to_print(prompt) == asks
