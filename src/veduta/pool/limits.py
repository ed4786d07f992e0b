"""How much memory and work a file may ask for, whatever it says: every bound, with its unit and its reason.

A few kilobytes can claim or hold gigabytes. What goes beyond a bound has a named outcome (a row with `error`, or one
sentence about the file), and the rest of the source is read. Together the bounds keep a run below 2 GiB of memory.
Those with an environment variable can be raised by a user who has such files and the memory for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A bound in MiB. variable: of the environment, whose whole number takes the place of `mib`."""

    variable: str
    mib: int

    @property
    def bytes(self) -> int:
        """The bound that holds now."""
        given = os.environ.get(self.variable, "")
        return (int(given) if given.isascii() and given.isdigit() and int(given) else self.mib) << 20

    def says(self, size: int) -> str:
        """What is beyond the bound, and how to allow it."""
        most = -(-size // (1 << 20))
        return f"the limit is {self.bytes >> 20} MiB; allow it with {self.variable}={most}"


# One image file, packed or not. It is in memory up to four times: in its table, as it came, in a batch, and while Lance
# writes it.
FILE = Limit("VEDUTA_MAX_FILE_MIB", 256)

# All pictures that are being decoded at the same time, so each of them too: the pixels of a 268-megapixel PNG.
DECODING = Limit("VEDUTA_MAX_DECODING_MIB", 1152)

# One line of a CSV or JSON lines file. Longer ones are passed over without being held.
LINE = Limit("VEDUTA_MAX_LINE_MIB", 64)

# One document (JSON, XML, or a text in another encoding than UTF-8), which is held as a whole.
DOCUMENT = Limit("VEDUTA_MAX_DOCUMENT_MIB", 512)

# What a JSON text becomes in memory, by its brackets and commas, or eight times its own size, as lists of floats do.
PARSED = Limit("VEDUTA_MAX_PARSED_MIB", 1024)

# One page of a Parquet column, or one buffer of an Arrow batch, unpacked: the least that pyarrow reads at once.
COLUMNAR = Limit("VEDUTA_MAX_COLUMN_MIB", 512)

# A cell of a CSV, in characters.
CELL = 1 << 24

# Rows of a table for each byte of its file: where every row names an image, a byte cannot tell more rows apart.
ROWS_A_BYTE = 64
ROWS_ALWAYS = 1 << 22  # fewer rows than these are read whatever the size of the file

# Bytes of the items that are worked on at the same time, and of one batch; a larger file is alone.
IN_FLIGHT = 256 << 20
BATCH = 32 << 20

# Bytes of rows that a table hands over at once.
ROWS = 32 << 20

# The bytes of a file that is no picture are kept in its row up to this size; beyond it, its digest and the reason.
KEPT = 16 << 20

# YAML is parsed by Python itself, at some 100 KB a second.
YAML = 2 << 20
