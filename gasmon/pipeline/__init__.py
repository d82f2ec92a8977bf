"""From packets to committed rows: the loops *evaluate* and *persist*.

    book.py       which row a point has; definitions and provisional points
    evaluate.py   packets → decode → engine → what there is to store and to tell
    persist.py    one transaction: readings, rejects, alarms, journal, outbox
    annunciate.py what is raised now, on a retained topic, without a database
    loops.py      the two threads, the queue between them, acknowledgement

The verdict never waits for the disk, no event is told before it is stored, and the
broker is acknowledged only after the commit.
"""
