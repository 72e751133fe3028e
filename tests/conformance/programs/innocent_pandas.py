# tries: pandas: frames, groups, dates, CSV files
# kind: innocent
# needs: pandas
# outcomes: finished
# prints: {'a': 4, 'b': 2} 2024-02-29
# limits: cpu=8 wall=25
import io

import pandas as pd

frame = pd.read_csv(io.StringIO("key,value\na,1\nb,2\na,3\n"))
frame.to_csv("frame.csv", index=False)
again = pd.read_csv("frame.csv")
day = pd.Timestamp("2024-02-28") + pd.Timedelta(days=1)
print(again.groupby("key")["value"].sum().to_dict(), day.date())
