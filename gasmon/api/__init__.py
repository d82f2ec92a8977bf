"""Pages, HTTP and streams for people and platforms.

- ``app``: puts everything together; ``uvicorn_config`` says how it is served.
- ``auth``: who is asking; ``problems``: every refusal in one shape (RFC 9457).
- ``routes_*``: read what ``gasmon.store.views`` gives, confirm alarms.
- ``follower`` reads the outbox in order and hands each event to ``hub``, which keeps a
  bounded queue per client; ``streams`` is the socket side of an alarm stream, whose
  rules are in ``gasmon.remote.session``.
- ``live`` follows the latest values and draws snapshots and deltas for pages.
- ``health``: ``/healthz``, ``/readyz``, ``/metrics``, also for other processes.
- ``web``: the page itself.

A principal's scope is part of every query (``gasmon.store.scope``) and of every
subscription: nothing that lies outside is read, and what is outside looks exactly like
what does not exist.
"""
