# tries: crashing the compiler by an expression as deep as it is long
# kind: hostile
# outcomes: syntax_error raised out_of_memory killed finished
# replace: <MORE> with -1-1-1-1-1 times 20000
# limits: cpu=2 wall=6
x = 1<MORE>
