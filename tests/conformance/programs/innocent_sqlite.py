# tries: sqlite in memory and in a file
# kind: innocent
# outcomes: finished
# prints: [(3,)] [(6,)]
import sqlite3

memory = sqlite3.connect(":memory:")
memory.execute("create table t (x integer)")
memory.executemany("insert into t values (?)", [(1,), (2,)])
disk = sqlite3.connect("numbers.db")
disk.execute("create table t as select 6 as x")
disk.commit()
print(memory.execute("select sum(x) from t").fetchall(), disk.execute("select x from t").fetchall())
