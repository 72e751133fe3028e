# tries: text of all the world on standard output
# kind: innocent
# outcomes: finished
# prints: Grüße, 世界 🌍 ñandú İstanbul
import unicodedata

print("Grüße, 世界 🌍", unicodedata.normalize("NFC", "n\u0303andu\u0301"), "İstanbul")
