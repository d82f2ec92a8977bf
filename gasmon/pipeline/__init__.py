"""From packets to committed rows: the loops *evaluate* and *persist*.

    book.py       which row a point has; definitions and provisional points
    evaluate.py   packets → decode → engine → what there is to store and to tell;
                  signs.py which mines are heard besides
    judging.py    turns of it; one bad packet is tried alone (suspects.py)
    persist.py    one transaction: readings, rejects, alarms, journal, outbox; beside.py
                  newest values and reports, point_ids.py the points' numbers
    ahead.py      alarms recorded before the readings of their turn
    storing.py    turns in order into the database, else into the spool
    line.py       the connections to the database: one owns, one writes
    ownership.py  whose turns lie in the spool; standby.py waits for an owner's end
    spool.py      judged turns on the local disk (turns.py: as bytes)
    opening.py    with the database or, as the last owner, without it
    starting.py   what was, from there and the spool (past.py, recover.py, restore.py)
    localcopy.py  what a start reads, kept beside the spool (bookcopy.py, recent.py)
    standing.py   what holds besides: clocks, missing definitions, a filling spool
    ourclock.py   our own clock and its witnesses
    annunciate.py what is raised now, on a retained topic, without a database
    voice.py      what is said over the broker after each turn
    loops.py      the parts and their threads, how they begin and end
    evaluating.py the thread that judges; persisting.py the one that stores, the queue
                  between them, acknowledgement

The verdict never waits for the disk, no event is told before it is stored, and the
broker is acknowledged only after the commit.
"""
