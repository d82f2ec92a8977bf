"""A node below a node: follows another gasmon's alarms and tells it what is done here.

``heard`` reads bodies of events, ``follower`` keeps them and knows the database,
``line`` speaks ``gasmon.alarms.v1`` with the node above, ``loop`` joins both for ever.
Who follows holds a lock of the database by the very connection that it writes with, so
two cannot write at once. docs/receiver.md has the operator's side,
docs/decisions/0037-node-below-a-node.md what happens when nodes disagree.
"""
