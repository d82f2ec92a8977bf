"""gasmon: coal-mine gas monitoring and remote alarms.

Four loops in one direction: pump, evaluate, persist, follow. docs/architecture.md
has the map; this package only names the rooms."""

__version__ = "0.1.0"
