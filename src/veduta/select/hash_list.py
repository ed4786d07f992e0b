"""Matching known files by a list of their hashes: the plug-in point for lists that are not public."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, SourceError
from veduta.pool import Pool, Selection, View

_HEX = re.compile(r"[0-9a-f]+")
CHUNK = 1024


class HashList(Selector):
    """Leave out images whose hash is on a list, exactly or (for 64-bit perceptual hashes) nearly.

    The list is a text file with one hexadecimal hash a line (what follows a space, comma or # is ignored): SHA-256 of
    the bytes for `digest`, 16 digits for the `hash` of perceptual-hash. It is read where it is and copied nowhere; the
    summary keeps its SHA-256 and length. Rows without a hash cannot be checked and are left out.
    A list of another hash (MD5, PDQ, PhotoDNA) needs a column of that hash: write an annotator for it and name it here.
    Cost: exact, one look-up a row; near, rows * entries comparisons of 64 bits.
    """

    file: str = Field(description="text file with one hash a line", min_length=1)
    column: str = Field("digest", description="column of hashes to compare")
    distance: int = Field(0, ge=0, le=32, description="bits that may differ (64-bit hashes only)")

    def reads(self) -> list[str]:
        return [self.column]

    def check(self, pool: View) -> None:
        super().check(pool)
        kind = pool.schema.field(self.column).type
        if not (pa.types.is_string(kind) or pa.types.is_fixed_size_binary(kind)):
            raise BadInput(
                f"hash-list compares hexadecimal strings or fixed-size binary, and '{self.column}' holds {kind}"
            )
        if self.distance and not (pa.types.is_fixed_size_binary(kind) and kind.byte_width == 8):
            raise BadInput(f"distance is for 64-bit hashes, and '{self.column}' holds {kind}; set it to 0")
        self._entries(kind.byte_width if pa.types.is_fixed_size_binary(kind) else None)

    def select(self, pool: Pool) -> Selection:
        values = pool.table([self.column]).column(0).to_pylist()
        hexes = [v.hex() if isinstance(v, bytes) else v.lower() if v is not None else None for v in values]
        width = (
            pool.schema.field(self.column).type.byte_width
            if values and isinstance(next((v for v in values if v), ""), bytes)
            else None
        )
        entries = self._entries(width)
        matched = (
            self._near(hexes, entries) if self.distance else [h in entries if h is not None else False for h in hexes]
        )
        reasons = [
            "not checked: no hash" if h is None else f"on the hash list {Path(self.file).name}" if found else None
            for h, found in zip(hexes, matched, strict=True)
        ]
        summary = {
            "list": hashlib.sha256(Path(self.file).read_bytes()).hexdigest(),
            "entries": len(entries),
            "matched": int(sum(matched)),
            "checked": f"{self.column}, at most {self.distance} bits off"
            if self.distance
            else f"{self.column}, exactly",
        }
        return Selection.of(
            self.operation(), np.array([r is None for r in reasons], dtype=bool), reasons, summary=summary
        )

    def _near(self, hexes: list[str | None], entries: set[str]) -> list[bool]:
        known = np.array([int(entry, 16) for entry in entries], dtype=np.uint64)
        own = np.array([int(h, 16) if h is not None else 0 for h in hexes], dtype=np.uint64)
        found = np.zeros(len(own), dtype=bool)
        for start in range(0, len(own), CHUNK):
            for at in range(0, len(known), CHUNK * 16):
                bits = np.bitwise_count(own[start : start + CHUNK, None] ^ known[None, at : at + CHUNK * 16])
                found[start : start + CHUNK] |= (bits <= self.distance).any(1)
        return [bool(f) and h is not None for f, h in zip(found, hexes, strict=True)]

    def _entries(self, width: int | None) -> set[str]:
        try:
            lines = Path(self.file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"the hash list {self.file} cannot be read: {error}") from None
        entries = set()
        for number, line in enumerate(lines, 1):
            entry = re.split(r"[\s,#]", line.strip(), maxsplit=1)[0].lower()
            if not entry:
                continue
            if not _HEX.fullmatch(entry) or (width is not None and len(entry) != 2 * width):
                digits = f"{2 * width} hexadecimal digits" if width else "a hexadecimal hash"
                raise BadInput(f"line {number} of the hash list {self.file} must be {digits}, got '{entry[:40]}'")
            entries.add(entry)
        if not entries:
            raise BadInput(f"the hash list {self.file} has no entries, so nothing would be checked")
        return entries
