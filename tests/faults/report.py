"""What a campaign survived, as a table for people and as JSON."""

from __future__ import annotations

import json

from tests.faults.plan import Outcome


def as_table(outcome: Outcome) -> str:
    """Lines for a terminal: faults by kind, totals, and every finding."""
    lines = [f"seed {outcome.plan.seed}, {outcome.chaos_s / 60:.1f} minutes of faults"]
    width = max([len(name) for name in outcome.faults], default=0)
    for name, n in sorted(outcome.faults.items()):
        lines.append(f"  {name:<{width}}  {n:>5}")
    lines.append(f"  {'all':<{width}}  {sum(outcome.faults.values()):>5}")
    lines += [f"{name}: {n}" for name, n in outcome.totals.items()]
    lines += outcome.notes
    for finding in outcome.findings:
        lines.append(f"FOUND {finding}")
    if outcome.findings and outcome.plan.keep is not None:
        lines += [f"logs: {folder}" for folder in outcome.folders]
    verdict = "FAILED" if outcome.findings else "survived"
    lines.append(f"{verdict}; seed {outcome.plan.seed}")
    return "\n".join(lines)


def as_json(outcome: Outcome) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "seed": outcome.plan.seed,
            "minutes": round(outcome.chaos_s / 60, 2),
            "faults": dict(sorted(outcome.faults.items())),
            "totals": dict(outcome.totals),
            "notes": outcome.notes,
            "findings": [
                {"invariant": f.invariant, "text": f.text} for f in outcome.findings
            ],
            "folders": outcome.folders,
        },
        ensure_ascii=False,
        indent=2,
    )
