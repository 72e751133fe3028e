# tries: time zones by name, from the data of the system or of the package tzdata
# kind: innocent
# needs: tzdata
# outcomes: finished
# prints: 13:00
import datetime
import zoneinfo

noon = datetime.datetime(2024, 1, 10, 12, tzinfo=datetime.timezone.utc)
print(noon.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).strftime("%H:%M"))
