"""What is kept: SQL, one module per table family, each a handful of functions.

Every function takes an open connection and works in the caller's transaction; who
calls decides what is committed together. The exceptions say so: ``migrate``,
``partitions`` and ``retention`` commit step by step, because they hold locks that
readings must not wait for.

The order inside a transaction that writes alarms is fixed: row updates first, then
the outbox lock, outbox rows, NOTIFY, commit (``alarms.record``, ``outbox.append``).
So sequence numbers become visible in order, and two writers meet their locks in the
same order. A deadlock (40P01) is still possible; ``db.retry_deadlock`` tries again.

Readings are never Python objects here: they go from NumPy arrays into a binary COPY
(``readings``). What the database refuses becomes a ``Reject`` and is kept.
"""
