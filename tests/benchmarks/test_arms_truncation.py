"""The `parse` truncation: a cut never moves, one long answer stays complete, prose goes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.benchmarks.arms.layout import NEXT_TURN, unlisted_item
from multiturn.benchmarks.arms.truncation import (
    AnswerFence,
    NextPrompt,
    ParseTruncation,
    RepeatedSpecification,
    truncation_for,
)
from multiturn.synthesis.parsing import parse_module
from multiturn.text.truncation import PublishedRule, StopRule

HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
SPECIFICATION = "# Sort the list.\n# Print it.\n"
CONTEXT = HEADER + SPECIFICATION
FUNCTION = 'def double(x):\n    """Twice x."""\n'

PIECES = [
    "x = 1\n", "x = 1", "print(x)\n", "    return x\n", "def f():\n", "# a step\n", "# Sort",
    SPECIFICATION, "# Sort the list.\n", "```\n", "```python\n", "``", "`", "Here it is:\n", "\n",
    "\n\n\n", "\n# ", "# 2. Sort it.\n", "# 3. Print it.\n", "# 12", ". ", "import re\n",
    "(", ")", "'''", "<|endoftext|>", "<|endof", " ", "é", "if x:\n", "\\\n", ",",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
contexts = st.sampled_from(["", CONTEXT, FUNCTION, "x = (\n"])
rules = st.one_of(
    contexts.map(AnswerFence),
    contexts.map(lambda context: RepeatedSpecification(context, SPECIFICATION)),
    contexts.map(lambda context: ParseTruncation(context, SPECIFICATION).stop),
    contexts.map(lambda context: ParseTruncation(context).stop),
    st.builds(NextPrompt, contexts, st.sampled_from([NEXT_TURN, unlisted_item(2)])),
    contexts.map(lambda context: ParseTruncation(context, SPECIFICATION, NEXT_TURN).stop),
)


@given(rules, texts, texts)
def test_a_cut_never_moves_as_text_grows(rule: StopRule, text: str, more: str) -> None:
    cut = rule.find(text)
    if cut is not None:
        assert rule.find(text + more) == cut


@given(rules, texts)
def test_what_is_not_held_back_is_never_cut(rule: StopRule, text: str) -> None:
    cut = rule.find(text)
    if cut is not None:
        uncut = max(size for size in range(len(text)) if rule.find(text[:size]) is None)
        assert cut.position >= uncut - rule.lookahead


def parsed(text: str, context: str = CONTEXT, specification: str = SPECIFICATION) -> str:
    """The answer, as in a sample: the stop rule first, then the rest."""
    rule = ParseTruncation(context, specification)
    cut = rule.stop.find(text)
    return rule.finish(text if cut is None else text[: cut.position])[0]


@given(contexts, texts)
def test_what_is_kept_parses_and_is_part_of_the_text(context: str, text: str) -> None:
    saved = parsed(text, context)
    assert saved in text
    if saved:
        assert parse_module(f"{context}{saved}\n") is not None


def longest_by_trying(context: str, text: str) -> str:
    """Every prefix of complete lines, the longest first."""
    lines = text.split("\n")
    for count in range(len(lines), 0, -1):
        saved = "\n".join(lines[:count]).rstrip()
        if parse_module(f"{context}{saved}\n") is not None:
            return saved
    return ""


@given(contexts, texts.filter(lambda text: "`" not in text))
def test_no_longer_beginning_parses(context: str, text: str) -> None:
    assert ParseTruncation(context).finish(text)[0] == longest_by_trying(context, text)


KEPT = {
    "comments between the steps": "# Sort it.\nx.sort()\n\n\n\n# Print it.\nprint(x)",
    "several prints": "print(x)\nprint(x)",
    "several functions": "def f():\n    pass\n\ndef g():\n    pass",
    "a docstring": '"""What this does."""\nprint(x)',
    "backticks in code": "x = '```'\nprint(x)",
    "a part of the specification": "# Sort the list.\nx.sort()\n# Print it.\nprint(x)",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=list(KEPT))
def test_one_long_answer_stays_whole(text: str) -> None:
    assert parsed(text) == text


ENDED = {
    "a closing fence": "x.sort()\n```\nThis sorts it.",
    "a closing fence at the very end": "x.sort()\n```",
    "an opened fence": "```python\nx.sort()\n```\nThis sorts it.",
    "an opened fence without its end": "```python\nx.sort()\n",
    "prose, then a fence": "Sure, here it is:\n\n```python\nx.sort()\n```\n",
    "a second block": "```python\nx.sort()\n```\nOr:\n```python\nx = sorted(x)\n```",
    "a repetition of the specification": f"x.sort()\n{SPECIFICATION}x.sort()\n",
    "the end of text": "x.sort()<|endoftext|>x = 1",
    "prose after the code": "x.sort()\nThis sorts the list in place.\nIt takes time.",
    "cut in the middle of a line": "x.sort()\nfor y in range(",
    "cut in the middle of a block": "x.sort()\nfor y in x:",
    "cut in the middle of a string": "x.sort()\ny = '''abc\ndef",
}


@pytest.mark.parametrize("text", ENDED.values(), ids=list(ENDED))
def test_the_answer_ends(text: str) -> None:
    assert parsed(text) == "x.sort()"


def test_a_specification_before_any_code_ends_nothing() -> None:
    text = f"```python\n{CONTEXT}x.sort()\n```"
    assert parsed(text) == f"{CONTEXT}x.sort()"
    assert parsed(f"{SPECIFICATION}x.sort()") == f"{SPECIFICATION}x.sort()"


def test_a_body_is_code_that_follows_the_head_of_a_function() -> None:
    assert parsed("    return 2 * x\n```\n", FUNCTION, "") == "    return 2 * x"
    assert parsed("    return 2 * x\n\nThis doubles x.", FUNCTION, "") == "    return 2 * x"
    complete = f"{FUNCTION}    return 2 * x"
    assert parsed(f"```python\n{complete}\n```\n", FUNCTION, "") == complete


def test_an_import_is_an_answer_that_a_fence_can_close() -> None:
    assert parsed("import re\n```\nThis imports re.") == "import re"


def test_prose_alone_leaves_nothing() -> None:
    assert parsed("This is how you sort a list.") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x.sort()\n```\n", (None, "closing fence")),
        ("x.sort()\n```\nabc def", (None, "closing fence")),
        ("x.sort()\nabc def", ("unparsable tail", None)),
        (f"x.sort()\nabc def\n{SPECIFICATION}", ("unparsable tail", None)),
        ("x.sort()\n\n", (None, None)),
    ],
)
def test_what_cut_is_said(text: str, said: tuple[str | None, str | None]) -> None:
    rule = ParseTruncation(CONTEXT, SPECIFICATION)
    cut = rule.stop.find(text)
    _, late = rule.finish(text if cut is None else text[: cut.position])
    assert (late, cut and cut.reason) == said


def asked(text: str, next_step: re.Pattern[str] | None = NEXT_TURN) -> str:
    """The answer under ``next_prompt``."""
    rule = truncation_for("next_prompt", CONTEXT, SPECIFICATION, next_step)
    cut = rule.stop.find(text)
    return rule.finish(text if cut is None else text[: cut.position])[0]


ONE_TURN = {
    "the next turn as the arm writes it": "x.sort()\n\n# Print it.\nprint(x)",
    "after more empty lines": "x.sort()\n\n\n\n# Print it.\nprint(x)",
    "as the last thing": "x.sort()\n\n# ",
    "before a fence": "x.sort()\n\n# Print it.\n```\n",
}


@pytest.mark.parametrize("text", ONE_TURN.values(), ids=list(ONE_TURN))
def test_a_turn_ends_where_the_model_opens_the_next(text: str) -> None:
    assert asked(text) == "x.sort()"


WITHIN_ONE_TURN = {
    "a comment before any code": "# First.\n\n# Sort it.\nx.sort()",
    "a comment after an import": "import re\n\n# Sort it.\nx.sort()",
    "a comment without an empty line before it": "x.sort()\n# Print it.\nprint(x)",
    "a comment in a block": "def f():\n    pass\n\n    # Sort it.\n    x.sort()",
    "a comment sign in a string": "y = '''\n\n# Sort it.\n'''",
    "another kind of comment": "x.sort()\n\n#: Sorted.\nx.sort()",
    "several functions and prints": "def f():\n    print(1)\n\ndef g():\n    pass\n\nf()\nprint(x)",
}


@pytest.mark.parametrize("text", WITHIN_ONE_TURN.values(), ids=list(WITHIN_ONE_TURN))
def test_what_opens_no_turn_ends_none(text: str) -> None:
    assert asked(text) == text


def test_in_a_fence_that_the_answer_opens_all_steps_belong_to_it() -> None:
    steps = "x.sort()\n\n# Print it.\nprint(x)"
    assert asked(f"```python\n{steps}\n```\nDone.") == steps


def test_a_list_ends_at_an_item_that_it_does_not_have() -> None:
    answer = "# 1. Sort it.\nx.sort()\n\n# 2. Print it.\nprint(x)"
    items = unlisted_item(2)
    assert asked(f"{answer}\n\n# 3. Reverse it.\nx.reverse()", items) == answer
    assert asked(f"{answer}\n\n# 12. Reverse it.\nx.reverse()", items) == answer
    assert asked(f"{answer}\n# 3 of them.", items) == f"{answer}\n# 3 of them."
    # Before any code the model only lengthens the list, and answers afterwards.
    longer = f"# 3. Reverse it.\n\n{answer}"
    assert asked(longer, items) == longer


@pytest.mark.parametrize("text", KEPT.values(), ids=list(KEPT))
def test_in_one_piece_asked_is_fair(text: str) -> None:
    more = f"{text}\n\n# Another step.\nx = 1"
    assert asked(more, None) == more
    in_one_piece = truncation_for("next_prompt", CONTEXT, SPECIFICATION)
    assert in_one_piece == truncation_for("parse", CONTEXT, SPECIFICATION, NEXT_TURN)


@given(texts)
def test_no_truncation_keeps_all_and_the_published_one_is_the_published_one(text: str) -> None:
    none = truncation_for("none", CONTEXT, SPECIFICATION)
    assert none.stop.find(text) is None
    assert none.finish(text) == (text, None)
    published = truncation_for("published", CONTEXT, SPECIFICATION)
    assert published.stop == PublishedRule()
    assert published.finish(text) == (text, None)
