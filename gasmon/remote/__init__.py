"""The alarm stream between gasmon and a county or city platform.

Everything that both ends agree on is here and is pure: ``texts`` (an event as a
sentence), ``frames`` and ``parsing`` (JSON text frames, written and read), ``session``
(the server's half of a conversation: frames in, actions out), ``client_session`` (the
client's half) and ``chain`` (which claims follow each other without a hole). Sockets
are elsewhere: the server's in ``gasmon.api.streams``, the client's in ``receiver``,
which also keeps the position and every event in a SQLite file (``keeping``) before
anybody hears of it.

docs/remote-protocol.md describes the protocol for those who write their own client.
"""
