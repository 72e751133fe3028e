"""Whether a program solves its problem, judged as published and judged strictly."""
