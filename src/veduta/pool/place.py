"""Where a pool's table lies: an absolute path, since the table engine takes a relative one with a colon for an address."""

from __future__ import annotations

import os
import re
from pathlib import Path

from veduta.errors import BadInput

TABLE = "images.lance"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # also what is left of s3:// in a path
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def table_of(path: str | Path) -> Path:
    """The table of the pool in the folder `path`. Raises BadInput for a path that the table engine could not open again."""
    text = str(path)
    if _ADDRESS.match(text):
        raise BadInput(f"{text} is an address, and a pool lies in a folder of this machine; name a path")
    if _CONTROL.search(text):
        shown = text.encode("unicode_escape").decode()
        raise BadInput(f"the path {shown} of the pool holds a control character (a tab, a new line); name it without")
    return Path(os.path.abspath(path)) / TABLE
