"""The pool: a versioned table, one row an image, everything known about an image a column of its row."""

from __future__ import annotations

import os

# Lance reads this once, at import; its warnings are about its own internals and not for a user's eyes.
os.environ.setdefault("LANCE_LOG", "error")

from veduta.pool.item import Item, Reader
from veduta.pool.pool import Pool, View
from veduta.pool.selection import Selection

__all__ = ["Item", "Pool", "Reader", "Selection", "View"]
