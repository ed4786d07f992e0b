"""Soft targets that were stored in a pool, for training: `learn classify --targets SOURCE`.

SOURCE is `COLUMN`, `COLUMN:MODE`, or either with options: `relabel:local_multi?empty=min`. The operation that made the column
says how it is read. Packages may add ways by an entry point of the group `veduta.targets`: its name is the name of the operation
that makes such columns, and it points to an `Opener`.
"""

from veduta.learn.targets.base import Replay, Seen, TargetSource
from veduta.learn.targets.named import Said, open_source, order_of, parse, require

__all__ = ["Replay", "Said", "Seen", "TargetSource", "open_source", "order_of", "parse", "require"]
