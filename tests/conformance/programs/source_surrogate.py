# tries: a source that has no encoding
# kind: hostile
# outcomes: syntax_error finished
# replace: <LONE> with \ud800
x = "<LONE>"
