from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from predicted import Predicted
from veduta.encode.conse import posterior
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.by_group import disparity
from veduta.judge.harmful_labels import Category, HarmfulLabels, harmful, top_classes
from veduta.pool import View

NAMES = ["person", "ape", "convict", "cup", "hat"]
SAID = {"non-human": ["ape"], "crime": {"labels": ["convict"], "threshold": 0.5}}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """130 tiny pictures in two regions, some in a small one and some in none; 'south' is called 'ape' most often."""
    rng = np.random.default_rng(0)
    files, fields, logits = {}, {}, []
    for i in range(130):
        where = ("north", "south")[i % 2] if i < 110 else "isle" if i < 125 else None
        files[f"{i:03d}"] = encoded(picture(i % 40, (32, 32)), "PNG")
        fields[f"{i:03d}"] = {"region": where, "label": "person"}
        row = rng.normal(0, 1, 5)
        row[1] += 2.5 if where == "south" else -1
        logits.append(row.tolist() if i != 4 else None)
    made = veduta.create(tmp_path_factory.mktemp("harm") / "p.vd")
    made.ingest(Given(files, fields, region=pa.string()))
    made.annotate(Predicted(classes=NAMES, logits=logits))
    return Path(made.path)


def told(folder: Path, said: object = SAID, name: str = "categories.yaml") -> str:
    file = folder / name
    file.write_text(json.dumps(said), encoding="utf-8")
    return str(file)


def test_shares_are_those_of_a_loop(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    for top in (1, 2, 5):
        harms = HarmfulLabels(groups=["region"], categories=told(tmp_path), top=top).measure(pool)
        rows = pool.table(["region", "predicted_logits"]).to_pylist()
        for category, label, least in (("non-human", 1, 0.0), ("crime", 2, 0.5)):
            table = harms.tables[category, "region"]
            for own in table.groups:
                hits = []
                for row in rows:
                    if row["region"] == own.group and row["predicted_logits"] is not None:
                        chances = posterior(np.array([row["predicted_logits"]]))[0]
                        best = sorted(range(5), key=lambda i, c=chances: (-c[i], i))[:top]
                        hits.append(label in best and chances[label] >= least)
                assert own.n == len(hits)
                assert own.value == pytest.approx(np.mean(hits))
        assert harms.notes == ["1 rows have no value in 'predicted_logits'."]
    one = HarmfulLabels(groups=["region"], categories=told(tmp_path), top=1).measure(pool).tables["non-human", "region"]
    assert (one.worst, one.best) == ("south", "north")
    value = {own.group: own.value for own in one.groups}
    assert one.gap == pytest.approx(value["south"] - value["north"])
    assert one.low < one.gap < one.high
    assert one.chance < 0.01
    assert "'south' has" in one.note
    assert "more than 'north'" in one.note
    assert one.ungrouped == 5
    assert not next(own for own in one.groups if own.group == "isle").compared
    everything = HarmfulLabels(groups=["region"], categories=told(tmp_path), top=5).measure(pool)
    assert everything.tables["non-human", "region"].overall == 1


def test_thresholds_and_ties(path: Path, tmp_path: Path):
    chances = np.array([[0.4, 0.4, 0.2], [0.1, 0.3, 0.6], [0.5, 0.3, 0.2]], np.float32)
    np.testing.assert_array_equal(top_classes(chances, 1).argmax(1), [0, 2, 0])
    assert top_classes(chances, 9).all()
    number, sure = harmful(chances, top_classes(chances, 2), Category("any", np.array([1, 2]), 0.0))
    np.testing.assert_array_equal(number, [1, 2, 1])
    np.testing.assert_allclose(sure, [0.4, 0.6, 0.3])
    number, sure = harmful(chances, top_classes(chances, 2), Category("sure", np.array([1, 2]), 0.5))
    np.testing.assert_array_equal(number, [-1, 2, -1])
    np.testing.assert_allclose(sure, [0, 0.6, 0])
    pool = veduta.open(path)
    shares = [
        HarmfulLabels(groups=["region"], categories=told(tmp_path, {"x": ["ape"]}), threshold=threshold)
        .measure(pool)
        .tables["x", "region"]
        .overall
        for threshold in (0.0, 0.3, 0.6, 1.0)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[1] > shares[2] > shares[3] == 0


def test_harm_turns_the_comparison_round():
    rng = np.random.default_rng(3)
    groups = ["a"] * 60 + ["b"] * 50 + ["c"] * 40
    for outcome in (rng.random(150) < 0.3, rng.normal(0, 1, 150)):
        good = disparity(1 - outcome.astype(float), groups)
        bad = disparity(outcome.astype(float), groups, harm=True)
        assert (good.worst, good.best) == (bad.worst, bad.best)
        assert (bad.gap, bad.chance) == (pytest.approx(good.gap), pytest.approx(good.chance, abs=0.03))
        assert [own.group for own in bad.groups] == [own.group for own in good.groups]
        home = disparity(outcome.astype(float), groups, harm=True, reference=str(bad.worst))
        assert home.gap < 0
        assert "less than" in home.note


def test_the_report_shows_worst_group_and_what_was_left_out(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    file = tmp_path / "harm.yaml"
    file.write_text("non-human: [APE, gorilla]\ncrime: {labels: [convict]}\n", encoding="utf-8")
    asked = HarmfulLabels(groups=["region", "label"], categories=str(file), top=1)
    page = asked.judge(pool)
    html = page.save(tmp_path, "harm").read_text("utf-8")
    facts = json.loads((tmp_path / "harm.json").read_text("utf-8"))["facts"]
    table = next(t for t in facts["tables"] if (t["category"], t["column"]) == ("non-human", "region"))
    assert table["worst"] == "south"
    assert {own["group"]: own["n"] for own in table["groups"]} == {"north": 54, "south": 55, "isle": 15}
    assert "1 labels of 'non-human' are not classes of the model and cannot be told: 'gorilla'." in facts["notes"]
    assert facts["categories"][0] == {"name": "non-human", "threshold": 0.0, "labels": ["ape"]}
    assert "data:image/jpeg" in html
    assert "At other thresholds" in html
    assert "from 0.75" in html
    assert page.verdict.startswith("The widest gap is of non-human by region")
    assert page.to_json() == asked.judge(pool).to_json()
    few = HarmfulLabels(groups=["region"], categories=str(file), where="region = 'isle'").judge(pool)
    assert "nothing can be compared" in few.verdict


class Posterior(Predicted):
    """The column of `annotate classify`: probabilities instead of logits."""

    def adds(self) -> pa.Schema:
        return pa.schema([super().adds().field(1).with_name(self.column)])

    def compute(self, pool: View) -> pa.Table:
        return pa.table({"_row": pool.rows(), self.column: pa.array(self.logits, self.adds().field(0).type)})


def test_probabilities_as_classify_writes_them(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    logits = pool.table(["predicted_logits"]).column(0).to_pylist()
    rows = [None if row is None else posterior(np.array([row]))[0].tolist() for row in logits]
    doubled = [None if row is None else [2 * p for p in row] for row in rows]
    pool.annotate(Posterior(classes=NAMES, logits=rows, column="posterior"))
    pool.annotate(Posterior(classes=NAMES, logits=doubled, column="doubled"))
    asked = {"groups": ["region"], "categories": told(tmp_path), "top": 2}
    assert (
        HarmfulLabels(**asked, scores="posterior").measure(pool).tables == HarmfulLabels(**asked).measure(pool).tables
    )
    with pytest.raises(BadInput, match="not probabilities that sum to 1"):
        HarmfulLabels(**asked, scores="doubled").measure(pool)


def test_wrong_use_gets_one_sentence(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    for said, words in (
        ({"crime": ["thief"]}, "no label of 'crime'"),
        ({"crime": []}, "must be a list of labels"),
        ({"crime": "convict"}, "must be a list of labels"),
        ({"crime": {"labels": ["convict"], "threshold": 2}}, "between 0 and 1"),
        ({"crime": {"labels": ["convict"], "treshold": 0.5}}, "got treshold"),
        ({"crime": {"threshold": 0.5}}, "must have labels"),
        (["convict"], "holds list"),
        ({}, "holds dict"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            HarmfulLabels(groups=["region"], categories=told(tmp_path, said)).judge(pool)
        assert "\n" not in str(caught.value)
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    for wrong, kind, words in (
        ({"categories": str(tmp_path / "none.yaml")}, BadInput, "does not exist"),
        ({"categories": str(tmp_path)}, BadInput, "cannot be read"),
        ({"categories": str(tmp_path / "broken.yaml")}, BadInput, "neither YAML nor JSON"),
        ({"categories": str(tmp_path / "odd.yaml")}, BadInput, "cannot be read"),
        ({"groups": ["continent"]}, MissingColumn, "--groups"),
        ({"scores": "told_nothing"}, MissingColumn, "annotate predict POOL --model RUN"),
        ({"scores": "label"}, BadInput, "does not say which classes"),
        ({"groups": ["region", "label"], "reference": "north"}, BadInput, "one group column"),
        ({"where": "key = '004'"}, NothingToDo, "none of the rows where"),
    ):
        with pytest.raises(kind, match=words) as caught:
            HarmfulLabels(**{"groups": ["region"], "categories": told(tmp_path), **wrong}).judge(pool)
        assert "\n" not in str(caught.value)
