"""Who has duty when, and how it is handed over: calendars, hand-overs, load. Pure.

A *post* is where somebody has duty: a mine, a county or the city. A post with a
calendar has at each moment one *shift*, which lasts until the next one begins; times
are Beijing time, and a shift that crosses midnight belongs to the day on which it
began. Whoever has duty signs on and off. When a shift ends it is handed over by two
people, each with a signature of his own.
"""
