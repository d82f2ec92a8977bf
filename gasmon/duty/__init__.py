"""Timers and jobs: what has to be done around the clock without being asked.

Each job is a row in the table ``job`` and a function here. Any number of processes
may run ``DutyLoop``; the one that holds the database's duty lock does the work, the
others wait for it. A job that fails says so in its row, in the log and in the metrics,
and is tried again at its next turn.

Escalation (``escalating.py``) is such a job: it finds out whom to call. Calling is done
by ``courier.py``, a thread for each channel of ``channel_file.py`` with the functions
of ``senders.py``, because the other side may hang and duty must not.
"""
