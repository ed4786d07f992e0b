"""Dropping rows by their safety verdicts."""

from __future__ import annotations

import numpy as np

from veduta.engine.operation import Field, Selector
from veduta.pool import Pool, Selection

VERDICTS = ("UNLIKELY", "UNSURE", "NSFW")


class DropUnsafe(Selector):
    """Leave out what the safety check calls sexual (or is unsure of) and shows minors or animals.

    LAION-5B's rule at filter time: such rows are dropped and not only tagged. Rows without a verdict (undecodable, not
    embedded) are left out too: what was not checked is not kept. The summary names what was checked and what was not.
    """

    nsfw: bool = Field(False, description="leave out every row called NSFW, whatever else it shows")
    keep_unchecked: bool = Field(False, description="keep rows without a verdict")

    def reads(self) -> list[str]:
        return ["safety", "safety_minor", "safety_animal"]

    def select(self, pool: Pool) -> Selection:
        table = pool.table(self.reads()).to_pydict()
        reasons: list[str | None] = []
        for verdict, minor, animal in zip(*table.values(), strict=True):
            reasons.append(self._reason(verdict, minor, animal))
        keep = np.array([reason is None for reason in reasons], dtype=bool)
        summary = {
            "checked": "the three zero-shot label sets of `safety`, by the two likeliest labels of each",
            "not_checked": "known illegal material (see hash-list), violence, hate, personal data, watermarks",
            "unchecked_rows": table["safety"].count(None),
            "verdicts": {verdict: table["safety"].count(verdict) for verdict in VERDICTS},
        }
        return Selection.of(self.operation(), keep, reasons, summary=summary)

    def _reason(self, verdict: str | None, minor: bool | None, animal: bool | None) -> str | None:
        if verdict is None:
            return None if self.keep_unchecked else "not checked for safety"
        if verdict != "UNLIKELY" and (minor or animal):
            return f"unsafe: {verdict} with {'minors' if minor else 'animals'}"
        return "unsafe: NSFW" if self.nsfw and verdict == "NSFW" else None
