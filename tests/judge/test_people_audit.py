from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.people import People
from veduta.annotate.review import Review
from veduta.errors import BadInput, MissingColumn, SourceError
from veduta.judge.intervals import wilson
from veduta.judge.people_audit import PeopleAudit
from veduta.pool import Pool
from veduta.select.human_free import HumanFree
from veduta.select.people_sample import PeopleSample

ROWS = 160


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A pool with a flag that is wrong now and then: annotated people are the truth; one in seven has another score."""
    rng = np.random.default_rng(0)
    truth = rng.random(ROWS) < 0.3
    file = tmp_path_factory.mktemp("audit") / "p.vd"
    pool = veduta.create(file)
    content = {f"k{i:03d}": encoded(picture(i % 9, (32, 32)), "PNG") for i in range(ROWS)}
    fields = {
        key: {"objects": [{"class": "person", "box": [0.0, 0.0, 4.0 + i % 25, 8.0]}] if truth[i] else []}
        for i, key in enumerate(content)
    }
    pool.ingest(Given(content, fields))
    scores = np.where(truth, rng.uniform(0.3, 1, ROWS), rng.uniform(0, 0.6, ROWS))
    pool.annotate(Scored(scores=tuple(round(float(score), 6) for score in scores)))
    return file


class Scored(People):
    """Scores by the number in the key, in the place of detectors."""

    face: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()

    @classmethod
    def operation(cls) -> str:
        return "people"

    def check(self, pool) -> None:
        return

    def annotate(self, batch):
        own = [self.scores[int(key[1:])] for key in batch.column("key").to_pylist()]
        columns = {name: [None] * len(own) for name in self.adds().names}
        return {**columns, "has_person": [score >= 0.5 for score in own], "person_score": np.array(own, np.float32)}


def fresh(path: Path, tmp_path: Path) -> Pool:
    import shutil

    shutil.copytree(path, tmp_path / "p.vd")
    return veduta.open(tmp_path / "p.vd")


def people(pool: Pool) -> dict[str, bool]:
    return {row["key"]: bool(row["objects"]) for row in pool.table(["key", "objects"]).to_pylist()}


def fill_in(sheet: Path, truth: dict[str, bool], some: slice = slice(None)) -> list[str]:
    """Write verdicts into lines of the sheet; the keys of all lines."""
    rows = list(csv.DictReader(sheet.open(newline="", encoding="utf-8")))
    for row in rows[some]:
        row["verdict"], row["face"] = ("person", "no") if truth[row["key"]] else ("none", "no")
    with sheet.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    return [row["key"] for row in rows]


def test_from_the_empty_sheet_to_estimates(path: Path, tmp_path: Path):
    pool, sheet = fresh(path, tmp_path), tmp_path / "in" / "verdicts.csv"
    pool.select(PeopleSample(count=80))
    audit = PeopleAudit(sheet=str(sheet))
    page = audit.judge(pool)
    assert "is not known" in page.verdict
    assert "human-free" not in page.verdict
    keys = fill_in(sheet, people(pool), slice(0, 5))
    assert len(keys) == 80
    assert keys != sorted(keys)  # no order that tells how sure the detectors were
    text = page.to_html()
    (section,) = [s for s in page.sections if s.title == "Still to be judged"]
    (shown,) = [item.pictures for item in section.items if item.kind == "pictures"]
    assert [picture.caption.split()[-1] for picture in shown] == keys
    assert text.count("data:image/jpeg") >= 80

    page = audit.judge(pool)
    assert "5 of 80" in page.to_html()
    fill_in(sheet, people(pool))
    page = audit.judge(pool)
    found = audit.measure(pool).found["people"]
    rows = {row["key"]: row for row in pool.table(["key", "people_stratum", "has_person", "objects"]).to_pylist()}
    weighed = {True: [0.0, 0.0], False: [0.0, 0.0]}
    sizes, judged = {}, {}
    for row in rows.values():
        sizes[row["people_stratum"]] = sizes.get(row["people_stratum"], 0) + 1
    for key in keys:
        judged[rows[key]["people_stratum"]] = judged.get(rows[key]["people_stratum"], 0) + 1
    for key in keys:
        row = rows[key]
        weight = sizes[row["people_stratum"]] / judged[row["people_stratum"]]
        weighed[row["has_person"]][0] += weight * bool(row["objects"])
        weighed[row["has_person"]][1] += weight
    residual = weighed[False][0] / weighed[False][1]
    assert found.residual.value == pytest.approx(residual)
    assert found.precision.value == pytest.approx(weighed[True][0] / weighed[True][1])
    assert found.recall.value == pytest.approx(weighed[True][0] / (weighed[True][0] + weighed[False][0]))
    truth = people(pool)
    left = [truth[key] for key, row in rows.items() if not row["has_person"]]
    assert found.residual.low <= np.mean(left) <= found.residual.high
    assert f"estimated residual **{100 * residual:.3g} %**" in page.verdict
    assert page.verdict.startswith("No person found in ")
    facts = json.loads(page.to_json())["facts"]
    assert facts["found"]["people"]["residual"][0] == pytest.approx(residual)
    assert len(audit.measure(pool).found["faces"].strata)


def test_it_is_measured_against_annotations_by_size(path: Path, tmp_path: Path):
    pool = fresh(path, tmp_path)
    pool.select(PeopleSample(count=20))
    told = PeopleAudit().measure(pool).annotated
    rows = pool.table(["has_person", "objects"]).to_pylist()
    counts = [
        sum(bool(r["objects"]) is a and r["has_person"] is b for r in rows)
        for a in (True, False)
        for b in (True, False)
    ]
    assert [told.hits, told.misses, told.false, told.right] == counts
    for name, low, high in (
        ("below 5%", 0, 0.05),
        ("10% to 25%", 0.1, 0.25),
        ("25% to 50%", 0.25, 0.5),
        ("from 50%", 0.5, 9),
    ):
        own = [
            r["has_person"]
            for r in rows
            if r["objects"] and low <= (r["objects"][0]["box"][2] * 8 / 32 / 32) ** 0.5 < high
        ]
        assert (name, sum(own), len(own)) in told.by_size
    page = PeopleAudit().judge(pool)
    (table,) = [
        i for s in page.sections if s.title.startswith("Against") for i in s.items if i.kind == "table" and not i.title
    ]
    low, high = wilson(counts[0], counts[0] + counts[1])
    assert table.rows[0] == {
        "measure": "recall", "value": counts[0] / (counts[0] + counts[1]), "from": low, "to": high, "of rows": counts[0] + counts[1],
    }  # fmt: skip


def test_decisions_of_the_app_count_and_the_sheet_goes_first(path: Path, tmp_path: Path):
    pool, sheet = fresh(path, tmp_path), tmp_path / "v.csv"
    pool.select(PeopleSample(count=30))
    keys = PeopleAudit().measure(pool).keys
    truth = people(pool)
    pool.annotate(Review(kind="people", decisions={key: "accept" if truth[key] else "dismiss" for key in keys}))
    audit = PeopleAudit().measure(pool)
    assert audit.judged == 30
    assert [seen.verdict == "person" for seen in audit.seen] == [truth[key] for key in audit.keys]
    assert np.isnan(audit.found["faces"].recall.value)  # the app does not ask for faces
    PeopleAudit(sheet=str(sheet)).judge(pool)
    fill_in(sheet, {key: not truth[key] for key in keys}, slice(0, 3))
    audit = PeopleAudit(sheet=str(sheet)).measure(pool)
    assert [seen.verdict == "person" for seen in audit.seen[:3]] == [not truth[key] for key in audit.keys[:3]]
    assert audit.notes == ["3 verdicts of the sheet contradict the review in the app; the sheet's were taken."]


def test_the_report_says_what_was_checked(path: Path, tmp_path: Path):
    pool = fresh(path, tmp_path)
    pool.select(PeopleSample(count=20))
    assert "No selection of" in PeopleAudit().judge(pool).to_html()
    pool.select(HumanFree(licences=(), per_creator=0, blank=False, unsafe=False))
    text = PeopleAudit().judge(pool).to_html()
    for words in ("Not checked", "watermarks", "licences", "nudity", "persons"):
        assert words in text


def test_sheets_keep_what_a_person_wrote(path: Path, tmp_path: Path):
    pool, sheet = fresh(path, tmp_path), tmp_path / "v.csv"
    pool.select(PeopleSample(count=20))
    PeopleAudit(sheet=str(sheet)).judge(pool)
    rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
    sheet.write_text(
        "\ufeffnote,key,verdict\r\nlooks odd," + rows[0]["key"] + ", Part \r\n,elsewhere,none\r\n", encoding="utf-8"
    )
    pool.select(PeopleSample(count=25))
    page = PeopleAudit(sheet=str(sheet)).judge(pool)
    after = list(csv.DictReader(sheet.open(encoding="utf-8")))
    assert after[0]["note"] == "looks odd"
    assert after[0]["verdict"] == "part"
    assert len(after) == 26  # two lines that were there, the others of the sample
    assert "Not of the sample, and not counted: 1 line of the sheet, such as 'elsewhere'." in page.facts["notes"]


def test_bad_sheets_and_samples(path: Path, tmp_path: Path):
    pool, sheet = fresh(path, tmp_path), tmp_path / "v.csv"
    with pytest.raises(MissingColumn, match="select people-sample POOL --as people_sample"):
        PeopleAudit().judge(pool)
    pool.select(PeopleSample(count=20))
    for text, words in (
        (
            "key,verdict\nk001,perhaps\n",
            "line 2 of the sheet .*: the verdict must be none, part, person or nothing, got 'perhaps'",
        ),
        ("key,verdict,face\nk001,none,maybe\n", "line 2 .*: face must be yes, no or nothing, got 'maybe'"),
        ("key,verdict\nk001,none\nk001,none\n", "line 3 .* repeats the key 'k001' of line 2"),
        ("name,verdict\n", "lacks 'key'"),
        ("", "lacks 'key'"),
    ):
        sheet.write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=words) as caught:
            PeopleAudit(sheet=str(sheet)).judge(pool)
        assert "\n" not in str(caught.value)
        assert sheet.read_text(encoding="utf-8") == text
    sheet.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="cannot be read"):
        PeopleAudit(sheet=str(sheet)).judge(pool)
    pool.select(PeopleSample(count=10), name="second")
    with pytest.raises(BadInput, match="are those of a later draw than the sample 'people_sample'"):
        PeopleAudit().judge(pool)
    assert PeopleAudit(sample="second").measure(pool).judged == 0


def test_one_side_alone(path: Path, tmp_path: Path):
    pool = fresh(path, tmp_path)
    truth = people(pool)
    for where in ("has_person", "not has_person"):
        pool.select(PeopleSample(count=20, where=where), name="side")
        keys = PeopleAudit(sample="side").measure(pool).keys
        pool.annotate(Review(kind="people", decisions={key: "accept" if truth[key] else "dismiss" for key in keys}))
        found = PeopleAudit(sample="side").measure(pool).found["people"]
        assert np.isnan(found.residual.value) == (where == "has_person")
        assert np.isnan(found.precision.value) == (where == "not has_person")
        assert np.isnan(found.recall.value)
        PeopleAudit(sample="side").judge(pool).to_html()
