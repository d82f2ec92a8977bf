"""Which alarms somebody works on, and which rest: conditions on an alarm ``a``.

``HANDLING``: assigned, verified, handled or reported on, and not closed; a record that
was withdrawn is none. ``QUIET``: planned work or a shelf keeps it quiet now; the query
must join ``shelves.COVER``.
"""

from psycopg import sql

HANDLING = sql.SQL(
    "a.closed_at IS NULL AND EXISTS (SELECT FROM alarm_journal h"
    " WHERE h.alarm_id = a.alarm_id"
    " AND h.event IN ('assigned', 'verified', 'handled', 'fed_back')"
    " AND NOT EXISTS (SELECT FROM alarm_journal w"
    "  WHERE w.refers_to = h.journal_id AND w.event = 'withdrawn'))"
)
QUIET = sql.SQL(
    "((a.planned AND a.quiet IS NOT NULL) OR s.shelved_until_us IS NOT NULL)"
)
WORK = {"handling": HANDLING, "quiet": QUIET}
"""By what ``GET /alarms`` calls them."""
