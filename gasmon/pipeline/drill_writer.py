"""Writes turns of a drill: to its own rows alone, and nothing after its end."""

from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.persist import Writer
from gasmon.store import drill_points, drills


class DrillWriter(Writer):
    """Writes the turns of one drill to one database connection."""

    def _save_definitions(self, judged: Judged) -> None:
        """First of all lock the drill's row: whoever ends it locks that first, too.

        Raises:
            DrillOver: it has ended; nothing is written.
        """
        drills.require_running(self.conn, self._run)
        for definition, standing in judged.definitions:
            drill_points.save(
                self.conn, self._run, standing, now_us=definition.arrived_us
            )
