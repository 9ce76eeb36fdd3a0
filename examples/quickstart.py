"""The first trace, in ten lines. Run it with: python examples/quickstart.py"""

import sqlite3

import xtrace

xtrace.configure(service="quickstart", sampling=False, emitter="console:")
xtrace.patch_all()


@xtrace.capture
def load_prices(database):
    return database.execute("select 19.99 as price where 'tea' <> 'coffee'").fetchall()


with xtrace.in_segment() as segment:
    segment.put_annotation("prices", len(load_prices(sqlite3.connect(":memory:"))))

print(xtrace.stats())
