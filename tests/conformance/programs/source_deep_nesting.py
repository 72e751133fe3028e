# tries: crashing the parser by nesting
# kind: hostile
# outcomes: syntax_error out_of_memory raised killed
# replace: <OPEN> with (((((((((( times 2000
# replace: <CLOSE> with )))))))))) times 2000
x = <OPEN>1<CLOSE>
