# tries: an error message of megabytes, of many lines and odd characters
# kind: hostile
# outcomes: raised too_much_output
raise ValueError("x\n\x1b[2J\ud800\x00" * 200_000)
