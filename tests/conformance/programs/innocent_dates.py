# tries: dates, time zones, locales
# kind: innocent
# outcomes: finished
# prints: 2024-03-10 12:00:00+00:00 UTC Sunday 1,234.5
import calendar
import datetime
import locale
import time

noon = datetime.datetime(2024, 3, 10, 12, tzinfo=datetime.timezone.utc)
locale.setlocale(locale.LC_ALL, "")
assert datetime.datetime.now() == datetime.datetime.now() or time.time() > 0
time.sleep(0.01)
print(noon, time.tzname[0], calendar.day_name[noon.weekday()], f"{1234.5:,}")
