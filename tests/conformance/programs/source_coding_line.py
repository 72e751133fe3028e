# -*- coding: utf-16 -*-
# tries: a coding line that lies about the source
# kind: hostile
# outcomes: syntax_error finished
print("é")
