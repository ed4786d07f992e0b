"""The rows on which no person was found, and which may be used."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection, View
from veduta.pool import withdrawn as tombstones
from veduta.select.columns import keys
from veduta.select.drop_unsafe import DropUnsafe
from veduta.select.licences import allowed, licence
from veduta.select.sample import draw

FLAG = "has_person"
REVIEW = "review_people"
SEEN, NOBODY = ("accepted", "left out"), ("dismissed", "kept")
SAFETY = ("safety", "safety_minor", "safety_animal")


class HumanFree(Selector):
    """Keep images on which no person was found, with a usable licence, no dominating author, and none that are blank or unsafe.

    PASS's policy (Asano et al. 2021, arXiv 2109.13228, section 3) for any pool. The stages, in order; a row's reason is the
    first that leaves it out, and the summary's funnel says how many are left after each: undecodable, withdrawn, licence,
    blank, faces, persons, not checked for people, unsafe, conditions of one's own, author. A person's decision in the review
    of people (column `review_people`) overrides the detectors, both ways.

    - People: the columns of `annotate people`; rows that no detector could judge are left out.

    - Licence: only those of `licences`, however they are written (`CC BY 2.0`, a creativecommons.org address, `Attribution
      License`); without a version, all versions. Rows without a licence are left out.

    - Author: at most `per_creator` images each, by the lots of `sample` (a hash of seed and key), and last, so that nobody's share is lost to other rules.
      Rows without an author are left out: they could not be attributed.

    - Unsafe: what `annotate safety` calls NSFW, shows minors or animals in doubt, or was not judged.

    A rule whose column is missing is an error and never skipped. The summary names the checks that were made and those that
    were not. No pool is free of people for certain: audit what is kept with `judge people-audit`. Memory: some 200 bytes a row.
    """

    licences: tuple[str, ...] = Field(
        ("CC-BY", "CC0"), description="licences that are kept; an empty list ([]) switches the rule off"
    )
    per_creator: int = Field(
        80, ge=0, description="images of one author that are kept at most; 0 switches the rule off"
    )
    blank: bool = Field(True, description="leave out images of a single colour (annotate blank)")
    unsafe: bool = Field(True, description="leave out what annotate safety calls unsafe")
    leave_out: dict[str, str] = Field(
        {}, description='further conditions, SQL -> the reason in words: {"p_watermark >= 0.8": "a watermark"}'
    )
    seed: int = Field(0, ge=0, description="of the draw among one author's images")

    def reads(self) -> list[str]:
        return [
            "error", FLAG, "person_error", "face_boxes", REVIEW,
            *(["license"] if self.licences else []), *(["author"] if self.per_creator else []),
            *(["blank"] if self.blank else []), *(SAFETY if self.unsafe else []),
        ]  # fmt: skip

    def check(self, pool: View) -> None:
        by = self.operation()
        field = pool.require(FLAG, needed_by=by, mend="make it: veduta annotate people POOL")
        if not pa.types.is_boolean(field.type):
            raise BadInput(f"{by} needs a column of yes and no in '{FLAG}', and it holds {field.type}")
        for column, wanted, off in (
            ("license", bool(self.licences), "--licences '[]'"),
            ("author", bool(self.per_creator), "--per-creator 0"),
        ):
            if wanted and len(pool) and not pool.has(column):
                raise BadInput(
                    f"{by}: no row of this pool has a value in '{column}', so that its rule would leave out everything; bring the "
                    f"column with the source, or switch the rule off with {off}"
                )
        if self.blank:
            pool.require(
                "blank", needed_by=by, mend="make it: veduta annotate blank POOL, or switch the rule off: --no-blank"
            )
        for column in SAFETY if self.unsafe else ():
            mend = "make it: veduta annotate safety POOL, or switch the rule off: --no-unsafe"
            pool.require(column, needed_by=by, mend=mend)
        for condition in self.leave_out:
            pool.where(condition)

    def select(self, pool: Pool) -> Selection:
        self.check(pool)
        funnel = _Funnel(len(pool))
        broken = pool.rows("error is not null")
        whys = pool.take(broken, ["error"])["error"].to_pylist()
        funnel.stage(
            "undecodable", dict(zip(broken.tolist(), (f"cannot be decoded: {why}" for why in whys), strict=True))
        )
        gone = tombstones.rows(pool)
        funnel.stage("withdrawn", dict.fromkeys(gone.tolist(), "withdrawn"))
        lost = tombstones.gone(pool)
        if len(lost):
            funnel.stage("no longer in its source", dict.fromkeys(lost.tolist(), "no longer in its source"))
        if self.licences:
            funnel.stage("licence", self._unlicensed(pool))
        if self.blank:
            rows = pool.rows("blank or (blank is null and error is null)").tolist()
            values = dict(zip(rows, pool.take(rows, ["blank"]).column(0).to_pylist(), strict=True))
            funnel.stage(
                "blank", {row: "a single colour" if values[row] else "not checked for blankness" for row in rows}
            )
        for name, reasons in _people(pool).items():
            funnel.stage(name, reasons)
        if self.unsafe:
            words = DropUnsafe(nsfw=True, keep_unchecked=False).select(pool).reasons.to_pylist()
            funnel.stage("unsafe", {row: word for row, word in enumerate(words) if word is not None})
        for condition, word in self.leave_out.items():
            funnel.stage(word, dict.fromkeys(pool.rows(condition).tolist(), word))
        if self.per_creator:
            funnel.stage("author", self._crowded(pool, funnel.left()))
        summary = {"funnel": funnel.told, "reviewed": _reviewed(pool), **checks(self)}
        return Selection.of(self.operation(), funnel.left(), funnel.reasons, summary=summary)

    def _unlicensed(self, pool: Pool) -> dict[int, str]:
        among = [licence(text) for text in self.licences]
        values = pool.table(["license"]).column(0).to_pylist()
        fine = {text: allowed(text, among) for text in set(values) if text is not None}
        words = {
            text: f"licence not allowed: {' '.join(licence(text))[:120].strip()}"
            for text, yes in fine.items()
            if not yes
        }
        return {
            row: "no licence named" if text is None else words[text]
            for row, text in enumerate(values)
            if text is None or text in words
        }

    def _crowded(self, pool: Pool, left: NDArray[np.bool_]) -> dict[int, str]:
        authors = pool.table(["author"]).column(0).to_pylist()
        names = [author.strip() if author and author.strip() else None for author in authors]
        out = {row: "no author named" for row in np.flatnonzero(left).tolist() if names[row] is None}
        many: Counter[str] = Counter()
        for row in np.argsort(draw(keys(pool).to_pylist(), self.seed), kind="stable").tolist():
            name = names[row]
            if not left[row] or name is None:
                continue
            many[name] += 1
            if many[name] > self.per_creator:
                out[row] = f"more than {self.per_creator} images by one author"
        return out


class _Funnel:
    """Stages that each leave out rows; the first reason of a row stays."""

    def __init__(self, rows: int) -> None:
        self.reasons: list[str | None] = [None] * rows
        self.told: list[dict[str, Any]] = [{"stage": "offered", "left_out": 0, "left": rows}]

    def stage(self, name: str, reasons: dict[int, str]) -> None:
        """Leave out rows, row -> reason."""
        fresh = {row: word for row, word in reasons.items() if self.reasons[row] is None}
        for row, word in fresh.items():
            self.reasons[row] = word
        self.told.append({"stage": name, "left_out": len(fresh), "left": self.told[-1]["left"] - len(fresh)})

    def left(self) -> NDArray[np.bool_]:
        return np.array([reason is None for reason in self.reasons], dtype=bool)


def _people(pool: Pool) -> dict[str, dict[int, str]]:
    """Reasons by stage: faces, persons, not checked for people."""
    have = [name for name in ("face_boxes", "person_error", REVIEW) if name in pool.schema.names]
    stages: dict[str, dict[int, str]] = {"faces": {}, "persons": {}, "not checked for people": {}}
    at = 0
    for batch in pool.batches([FLAG, *have]):
        for row, values in enumerate(batch.to_pylist(), at):
            verdict, found = values.get(REVIEW), values[FLAG]
            if verdict in SEEN:
                stages["persons"][row] = "a person was seen in review"
            elif verdict not in NOBODY and found:
                face = bool(values.get("face_boxes"))
                stages["faces" if face else "persons"][row] = "shows a face" if face else "shows a person"
            elif verdict not in NOBODY and found is None:
                why = values.get("person_error")
                stages["not checked for people"][row] = "not checked for people" + (f": {why}" if why else "")
        at += len(batch)
    return stages


def _reviewed(pool: Pool) -> dict[str, int]:
    """How often a person decided, and against the flag."""
    if REVIEW not in pool.schema.names:
        return {"decided": 0, "against_the_flag": 0}
    decided = len(pool.rows(f"{REVIEW} is not null"))
    words = {side: ", ".join(f"'{word}'" for word in group) for side, group in (("seen", SEEN), ("nobody", NOBODY))}
    against = pool.rows(
        f"({FLAG} and {REVIEW} in ({words['nobody']})) or (not {FLAG} and {REVIEW} in ({words['seen']}))"
    )
    return {"decided": decided, "against_the_flag": len(against)}


def checks(asked: HumanFree) -> dict[str, list[str]]:
    """What the policy looks at and what it does not, in words."""
    rules = [
        (bool(asked.licences), f"licence among {', '.join(asked.licences)}", "licences"),
        (asked.blank, "images of a single colour", "images of a single colour"),
        (True, "faces and persons, by the detectors that wrote has_person", ""),
        (asked.unsafe, "nudity, and minors or animals in doubt, by zero-shot words (annotate safety)", "nudity"),
        (bool(asked.per_creator), f"at most {asked.per_creator} images an author", "how many images an author has"),
    ]
    made = [*(words for on, words, _ in rules if on), *asked.leave_out.values()]
    never = ["hands, tattoos and other parts of people", "names, number plates and other text", "violence"]
    watermark = [] if any("watermark" in condition for condition in asked.leave_out) else ["watermarks"]
    return {"checked": made, "not_checked": [*(words for on, _, words in rules if not on), *watermark, *never]}
