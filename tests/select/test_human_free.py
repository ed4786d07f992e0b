from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.blank import Blank
from veduta.annotate.people import People
from veduta.annotate.review import Review
from veduta.annotate.withdraw import Withdraw
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput, MissingColumn
from veduta.pool import Pool
from veduta.select.human_free import HumanFree

PERSON = [{"class": "person", "box": [1.0, 1.0, 20.0, 20.0]}]
FACE = [{"class": "human face", "box": [1.0, 1.0, 20.0, 20.0]}]
DOG = [{"class": "dog", "box": [1.0, 1.0, 20.0, 20.0]}]
OFF: dict[str, Any] = {"licences": (), "per_creator": 0, "blank": False, "unsafe": False}


class Safe(Annotator):
    """Safety verdicts by key."""

    verdicts: tuple[tuple[str, str | None], ...] = Field((), description="by key")

    @classmethod
    def operation(cls) -> str:
        return "safety"

    def adds(self) -> pa.Schema:
        kinds = {"safety": pa.string(), "safety_minor": pa.bool_(), "safety_animal": pa.bool_()}
        return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])

    def annotate(self, batch: Batch) -> Mapping[str, Any]:
        told = [dict(self.verdicts).get(key, "UNLIKELY") for key in batch.column("key").to_pylist()]
        return {
            "safety": pa.array(told, pa.string()),
            "safety_minor": pa.array([verdict == "UNSURE" for verdict in told]),
            "safety_animal": pa.array([False] * len(told)),
        }


def row(objects: list | None = DOG, licence: str | None = "CC BY 2.0", author: str | None = "ann") -> dict[str, Any]:
    return {"objects": objects, "license": licence, "author": author}


ROWS = {
    "a-fine": row(), "b-fine": row(licence="http://creativecommons.org/publicdomain/zero/1.0/"),
    "broken": row(), "face": row(FACE), "person": row(PERSON), "untold": row(None), "white": row(),
    "nc": row(licence="CC BY-NC 2.0"), "bare": row(licence=None), "nobody": row(author=None), "nude": row(), "doubt": row(),
    "unjudged": row(), "gone": row(), "c-fine": row(author="bob "), "d-fine": row(author="bob"), "e-fine": row(author="bob"),
}  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    made = veduta.create(tmp_path_factory.mktemp("hf") / "p.vd")
    content = {key: encoded(picture(i, (60, 60)), "PNG") for i, key in enumerate(ROWS)}
    from PIL import Image

    content |= {"broken": b"\xff\xd8\xffno", "white": encoded(Image.new("RGB", (60, 60), "white"), "PNG")}
    made.ingest(Given(content, ROWS))
    made.annotate([People(person=[], face=[], annotations=True), Blank()])
    made.annotate(Safe(verdicts=(("nude", "NSFW"), ("doubt", "UNSURE"), ("unjudged", None))))
    made.annotate(Withdraw(keys=["gone"], reason="letter of May 3"))
    return made


def reasons(pool: Pool, operation: HumanFree, name: str = "human_free") -> dict[str, str | None]:
    chosen = pool.select(operation, name=name)
    return dict(zip(pool.table(["key"])["key"].to_pylist(), chosen.reasons.to_pylist(), strict=True))


def test_every_row_has_its_stage(pool: Pool):
    told = reasons(pool, HumanFree(per_creator=2, leave_out={"key = 'b-fine'": "not wanted"}))
    out = {key: why for key, why in told.items() if why}
    assert out.pop("broken").startswith("cannot be decoded: ")
    assert out.pop("untold").startswith("not checked for people: no detector looked")
    authors = [key for key, why in out.items() if why == "more than 2 images by one author"]
    assert len(authors) == 1  # of bob's three, whatever blanks stand around his name
    assert authors[0] in ("c-fine", "d-fine", "e-fine")
    del out[authors[0]]
    assert out == {
        "face": "shows a face", "person": "shows a person", "white": "a single colour", "nc": "licence not allowed: CC-BY-NC 2.0",
        "bare": "no licence named", "nobody": "no author named", "nude": "unsafe: NSFW", "doubt": "unsafe: UNSURE with minors",
        "unjudged": "not checked for safety", "gone": "withdrawn", "b-fine": "not wanted",
    }  # fmt: skip


def test_the_funnel_adds_up_and_says_what_was_checked(pool: Pool):
    pool.select(HumanFree(per_creator=2), name="told")
    details = next(r for r in reversed(pool.lineage()) if r.operation == "human-free").details
    funnel = details["funnel"]
    assert [stage["stage"] for stage in funnel] == [
        "offered", "undecodable", "withdrawn", "licence", "blank", "faces", "persons", "not checked for people", "unsafe", "author",
    ]  # fmt: skip
    assert funnel[0]["left"] == len(ROWS)
    for before, after in pairwise(funnel):
        assert after["left"] == before["left"] - after["left_out"]
    assert funnel[-1]["left"] == len(pool.selection("told"))
    assert "watermarks" in details["not_checked"]
    pool.select(HumanFree(**OFF, leave_out={"key like 'p_watermark%'": "a watermark"}), name="off")
    details = next(r for r in reversed(pool.lineage()) if r.operation == "human-free").details
    assert {"licences", "nudity", "how many images an author has"} <= set(details["not_checked"])
    assert "a watermark" in details["checked"]
    assert "watermarks" not in details["not_checked"]


def test_a_person_overrides_the_detectors_both_ways(pool: Pool, tmp_path: Path):
    verdicts = {"person": "dismiss", "face": "keep", "a-fine": "accept", "b-fine": "leave-out", "untold": "dismiss"}
    before = reasons(pool, HumanFree(**OFF), "before")
    pool.annotate(Review(kind="people", decisions=verdicts))
    after = reasons(pool, HumanFree(**OFF), "before")
    assert [before[key] is None for key in verdicts] == [False, False, True, True, False]
    assert [after[key] for key in verdicts] == [None, None, *["a person was seen in review"] * 2, None]
    details = next(r for r in reversed(pool.lineage()) if r.operation == "human-free").details
    assert details["reviewed"] == {"decided": 5, "against_the_flag": 4}
    pool.annotate(Review(kind="people", decisions=dict.fromkeys(verdicts, "open")))
    assert reasons(pool, HumanFree(**OFF), "before") == before


def test_the_limit_of_an_author_is_kept_whatever_the_order(tmp_path: Path):
    rng = np.random.default_rng(0)
    names = [f"author {i}" for i in rng.integers(0, 4, 60)]
    content = {f"{i:02d}": encoded(picture(0, (32, 32)), "PNG") for i in range(60)}
    fields = {key: row(author=name) for key, name in zip(content, names, strict=True)}
    kept = []
    for order in (list(content), list(content)[::-1]):
        pool = veduta.create(tmp_path / f"{len(kept)}.vd")
        for key in order[:30], order[30:]:
            pool.ingest(Given({k: content[k] for k in key}, fields))
        pool.annotate(People(person=[], face=[], annotations=True))
        told = reasons(pool, HumanFree(**{**OFF, "per_creator": 7}))
        own = sorted(key for key, why in told.items() if why is None)
        assert all(
            count == min(7, names.count(name)) for name, count in Counter(fields[k]["author"] for k in own).items()
        )
        kept.append(own)
        other = reasons(pool, HumanFree(**{**OFF, "per_creator": 7, "seed": 1}), "other")
        assert sorted(key for key, why in other.items() if why is None) != own
    assert kept[0] == kept[1]


def test_a_rule_without_its_column_is_one_error(tmp_path: Path):
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(Given({"k": encoded(picture(1), "PNG")}))
    with pytest.raises(MissingColumn, match="veduta annotate people"):
        pool.select(HumanFree())
    pool.annotate(People(person=[], face=[], annotations=True))
    for given, words in (
        ({}, r"no row of this pool has a value in 'license'.*--licences '\[\]'"),
        ({"licences": ()}, "'author'.*--per-creator 0"),
        ({"licences": (), "per_creator": 0}, "--no-blank"),
        ({"licences": (), "per_creator": 0, "blank": False}, "--no-unsafe"),
        ({**OFF, "leave_out": {"no such column > 1": "x"}}, "not valid SQL"),
    ):
        with pytest.raises((BadInput, MissingColumn), match=words) as caught:
            pool.select(HumanFree(**given))
        assert "\n" not in str(caught.value)
    assert len(pool.select(HumanFree(**OFF))) == 0  # nothing was annotated: not checked, so not kept


def test_any_operation_may_write_the_flag(tmp_path: Path):
    """Only has_person is needed; the evidence is not."""

    class Flag(Annotator):
        def adds(self) -> pa.Schema:
            return pa.schema([pa.field("has_person", pa.bool_())])

        def annotate(self, batch: Batch) -> Mapping[str, Any]:
            return {"has_person": pa.array([key == "k1" for key in batch.column("key").to_pylist()])}

    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(Given({f"k{i}": encoded(picture(i, (32, 32)), "PNG") for i in range(3)}))
    pool.annotate(Flag())
    assert reasons(pool, HumanFree(**OFF)) == {"k0": None, "k1": "shows a person", "k2": None}
