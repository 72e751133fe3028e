"""Text and its rules: where a completion ends, which languages there are."""
