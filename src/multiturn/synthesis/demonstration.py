"""A short session that the prompt shows before a person's own, as a demonstration of the form.

A small model imitates an example better than it follows instructions: that a step stores its result
under the name that was asked for, uses what is there, leaves functions as they are, and prints only
when asked to. The program is this project's own and is never run.
"""

from __future__ import annotations

__all__ = ["DEMONSTRATION", "NEW_PROGRAM"]

DEMONSTRATION = (
    ("Make a list named visits with 14, 3, 25 and 9.", "visits = [14, 3, 25, 9]"),
    (
        "Write a function busy that takes a limit and returns the visits above it, in order.",
        "def busy(limit):\n    return [count for count in visits if count > limit]",
    ),
    ('Call it with 5 and keep the result as "days".', "days = busy(5)"),
    (
        'Find the place in "visits" of the largest of "days", and save it as place.',
        "place = visits.index(max(days))",
    ),
    (
        'Print a list of the number of "days" and the place.',
        "print([len(days), place])",
    ),
)
"""Requests, and the code of each step."""

NEW_PROGRAM = "Now a new program, from the beginning."
"""What parts the demonstration from the session."""
