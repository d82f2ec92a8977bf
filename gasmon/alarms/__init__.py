"""The alarm engine: batches of readings in, alarm events out. Pure.

One ordered log goes in: readings, signs of life of mines, clock marks. Nothing else
decides: no clock, no database, no settings, no randomness. Cutting the log into other
batches gives the same events, and so does sending part of it again.

The way of a reading (engine.py has the order, each step its own file):

    version in force at its time     compiled.py   RuleTable.version_at
    what a version is judged by      rule_profiles.py
    how values moved before it       shape.py, shape_memory.py, shape_lines.py
    silence while it rises           evading.py
    raise? end? known?               conditions.py one function per kind of rule
    by which limits it ends          held.py
    on-delay, off-delay, latch       debounce.py   the table of phases
    level by value and duration      levels.py     LevelTable.judge
    what came too late               late.py, late_past.py, late_tell.py, told.py
    silence of points and mines      silence.py
    quiet or aloud                   quiet.py
    a main fan whose standby runs    changeover.py
    planned work around all of it    planned.py, calibrating.py, gas_curve.py; plans.py
    an event with its explanation    speak.py, shape_words.py → events.py
    over a restart                   reconcile.py → resuming.py, owing.py

When a frame is through, what several of its points say together (relations.py, frame by
frame; a frame is never judged in halves, so the log may be cut between frames):

    which points take which part     relation_kinds.py, relation_roles.py
    all relations as arrays          relation_table.py
    true, false or not known         relation_terms.py, relation_memory.py
    begin, level, doubt, end         relation_lives.py → relation_speak.py
    by which rules                   relation_rules.py
    over a restart                   relation_snapshot.py, relation_owing.py

That several points are over their limits is an alarm of their unit and not a higher
level of each: a point's level would depend on its neighbours. Relations go by the
newest definitions; an alarm whose relation they lose goes on under its former terms.

What is decided elsewhere (a clock is off, the database is away) becomes the same events
by standing.py, which is given what holds now.

What it remembers, and what it was given, as bytes for a restart: snapshot.py, steps.py
(both written by packing.py).

Other rules while it runs are versions: rule_versions.py, rule_history.py.

``rules.py`` reads the rule file (field by field with toml_fields.py) and decides which
numbers apply to a point and why.
"""
