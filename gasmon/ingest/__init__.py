"""Ingest: from what mines publish to one batch of readings.

```
broker ─▶ mqtt.Pump ─▶ inbox.Inbox ─▶ decode.decode_packets ─▶ ReadingBatch + Rejects
  ▲                                        │ asks Directory (the pipeline's points)
  └── PUBACK ◀── Pump.ack, after the commit ┘
```

The pure half decides, the small half does:

* `topics`: the topic tree. The mine in the topic is the authority.
* `payloads` (values in `records`, strict reading in `fields`, rules as JSON Schema in
  `schemas/`): encoders and parsers of everything on the wire.
* `layouts`: point numbers to rows, remembered per mine; `Directory` is what the
  pipeline must answer.
* `frame`, `gather`: one frame's columns; many frames' arrays, converted once.
* `definitions`: point definitions, each contradictory limit refused by itself.
* `decode`: packets to `Decoded`; `told`: what of it is neither reading nor definition.
* `clocks`: how far a gateway's clock is off.
* `dedupe`: which frames were taken already.
* `order` (with `order_files`): back in order after a reconnect; `gaps`: what gateways
  are asked for.
* `inbox`: the bounded queue, with the arithmetic of its limit.
* `upload`: the text files of mines that speak no JSON; `drop` (with `drop_disk`): the
  folder that FTP or SFTP fills with them, read like the broker.
* `mqtt` (with `acks`, `connect`): the one client of the broker; `floods`: which mines
  send it far too much.

Rules that hold everywhere here. Bytes from outside never raise: they become a `Reject`
with a stable reason and a detail that names the thing and the number. A bad reading
never costs its neighbours, a bad frame never costs other frames. A value that cannot
be used is no value and a state that cannot be read counts as an alarm, so nothing
unreadable improves anything. A frame is never refused for its clock. The broker is
told that a message is stored only when it is stored.
"""
