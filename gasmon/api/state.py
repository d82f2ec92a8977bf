"""What the routes and streams of one application share."""

from dataclasses import dataclass

from gasmon.alarms.escalation_rules import EscalationRules
from gasmon.api.consoles import Consoles
from gasmon.api.follower import Follower
from gasmon.api.gate import PasswordGate
from gasmon.api.hub import Hub
from gasmon.api.ledger import Ledger
from gasmon.api.limits import StreamPlaces
from gasmon.api.live import LiveFollower
from gasmon.clock import Clock
from gasmon.settings import Settings
from gasmon.store.alarm_effects import LifeRules
from gasmon.store.db import AsyncPool
from gasmon.store.passwords import Passwords
from gasmon.telemetry import Counter, Metrics


@dataclass(slots=True)
class ApiState:
    """Made when the application starts, closed when it ends.

    Attributes:
        pool: autocommit connections with a statement timeout.
        history: as ``pool``, for queries that may run for seconds, such as ranges of
            readings; the others have theirs even when all of these wait.
        refused_logins: tokens that were nobody's.
        streams: open alarm streams of each principal.
        ledger: what was sent to whom and came of it.
        consoles: what pages say of themselves.
        closes: streams closed by us or by them, by stream and code.
        life: what this site sets about the life of its alarms.
        escalation: when whom it calls.
        passwords: makes and checks hashes; through the gate alone.
        log_ins: passwords that were shown, by result.
    """

    settings: Settings
    metrics: Metrics
    clock: Clock
    pool: AsyncPool
    history: AsyncPool
    hub: Hub
    follower: Follower
    live: LiveFollower
    streams: StreamPlaces
    ledger: Ledger
    consoles: Consoles
    refused_logins: Counter
    closes: Counter
    life: LifeRules
    escalation: EscalationRules
    passwords: Passwords
    gate: PasswordGate
    log_ins: Counter
