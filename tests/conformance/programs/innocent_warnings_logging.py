# tries: warnings and logging
# kind: innocent
# outcomes: finished
# prints: done
# prints-error: careful
import logging
import warnings

logging.basicConfig(level=logging.INFO)
logging.info("an entry")
warnings.warn("careful")
print("done")
