"""No judge scores what a model was trained on: a model that memorised its rows must look like one that did not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.classes import CLASSES
from veduta.annotate.predict import Predict
from veduta.encode import shared, trained_on
from veduta.engine.operation import Field, TableAnnotator
from veduta.engine.progress import Silent
from veduta.engine.registry import entries, find
from veduta.errors import NothingToDo
from veduta.judge.baseline import Baseline
from veduta.judge.classify import Classify
from veduta.judge.cross_retrieve import CrossRetrieve
from veduta.judge.curation.exam import exam
from veduta.judge.curation.operation import Curation
from veduta.judge.disparity import Disparity
from veduta.judge.domain_shift import DomainShift
from veduta.judge.harmful_labels import HarmfulLabels
from veduta.judge.label_efficiency import LabelEfficiency
from veduta.judge.label_maps import LabelMaps
from veduta.judge.retrieval import Retrieval
from veduta.judge.trained import OfModels
from veduta.learn.probe import Probe
from veduta.pool import Pool, View
from veduta.pool.label_map import LabelMap

N, KNOWN = 90, 60
KINDS = ("cup", "hat", "key")
SHAPE = LabelMap(2, 2, 1, KINDS, "by hand", 32)
APART = {
    "overview": "scores no model",
    "leaks": "scores no model",
    "difficulty": "measures the images and their labels",
    "filter-quality": "leaves training pairs out of both sides itself",
    "reinforcement": "looks at the answers that training images got",
    "people-audit": "people judge a sample of what no model was trained on",
}


class Memory(TableAnnotator):
    """Columns of a model that knows the labels of its training rows by heart, and nothing else."""

    encoder: str = Field(description="run:FOLDER, or another name")
    mark: str = Field(description="begins the columns' names")
    vectors: list[list[float]]
    texts: list[list[float]]

    def fingerprint(self) -> str:
        return shared("offline").text_fingerprint or ""

    def adds(self) -> pa.Schema:
        told = {CLASSES: json.dumps(KINDS).encode()}
        kinds = {"predicted": pa.string(), "space": pa.list_(pa.float32(), 3), "texts": pa.list_(pa.float32(), 384)}
        fields = [pa.field(f"{self.mark}_{name}", kind) for name, kind in kinds.items()]
        logits = pa.field(f"{self.mark}_predicted_logits", pa.list_(pa.float32(), 3), metadata=told)
        return pa.schema([*fields, logits, SHAPE.field(f"{self.mark}_map")])

    def compute(self, pool: View) -> pa.Table:
        logits = np.array(self.vectors, np.float32)
        maps = SHAPE.pack(np.repeat(logits, 4, 1).reshape(len(logits), 3, 2, 2))
        values = [[KINDS[i] for i in logits.argmax(1)], self.vectors, self.texts, self.vectors, maps]
        arrays = [pa.array(v, f.type) if isinstance(v, list) else v for v, f in zip(values, self.adds(), strict=True)]
        return pa.table([pool.rows(), *arrays], names=["_row", *self.adds().names])


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The columns of a run that was trained on 60 of 90 rows, beside the same columns of a model that no run made."""
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("trained")
    labels = rng.integers(0, 3, N)
    known = rng.permutation(N) < KNOWN
    half = rng.permutation(N) < N // 2
    files, fields = {}, {}
    for i in range(N):
        files[f"{i:02d}"] = encoded(picture(i, (32, 32)), "PNG")
        half_name = "train" if half[i] else "test"
        fields[f"{i:02d}"] = {
            "label": KINDS[labels[i]], "captions": [f"the {i}th {KINDS[labels[i]]} of {i * 7} in a shop"], "known": bool(known[i]),
            "half": half_name, "fair": None if known[i] and half_name == "test" else half_name, "side": "ab"[i % 2],
        }  # fmt: skip
    made = veduta.create(folder / "p.vd")
    made.ingest(Given(files, fields, known=pa.bool_(), half=pa.string(), fair=pa.string(), side=pa.string()))
    run = folder / "run"
    run.mkdir()
    digests = made.table(["digest"], where="known").column(0).to_pylist()
    (run / trained_on.FILE).write_bytes(trained_on.packed(digests))
    vectors = np.where(known[:, None], 5 * np.eye(3)[labels], 0) + rng.normal(0, 1, (N, 3))
    texts = shared("offline").text([fields[key]["captions"][0] for key in sorted(fields)])
    texts = np.where(known[:, None], texts, rng.normal(0, 0.05, texts.shape))
    for mark, encoder in (("run", f"run:{run}?head=0"), ("plain", "offline")):
        made.annotate(Memory(encoder=encoder, mark=mark, vectors=vectors.tolist(), texts=texts.tolist()))
    (folder / "harms.yaml").write_text("odd: [cup]")
    return made


def top1(pool: Pool, mark: str, **given: Any) -> float:
    asked = Classify(scores=f"{mark}_predicted_logits", **given)
    return asked.figures(asked.measure(pool))["top1"]["value"]


def crossed(pool: Pool, mark: str, **given: Any) -> float:
    return CrossRetrieve(embedding=f"{mark}_texts", **given).measure(pool).found.text_to_image.recall(1)


def audit(pool: Pool, **given: Any) -> float:
    (found,) = Disparity(groups=["side"], **given).measure(pool).outcomes.values()
    return float(found.mean())


def harm(pool: Pool, mark: str, **given: Any) -> float:
    """How often the truth is told: the category's labels are harmful on the rows of that class."""
    file = str(Path(pool.path).parent / "harms.yaml")
    asked = HarmfulLabels(groups=["side"], categories=file, scores=f"{mark}_predicted_logits", top=1, **given)
    found = asked.measure(pool)
    truth = [label == "cup" for label in pool.take(found.rows, ["label"]).column(0).to_pylist()]
    return float(((found.told["odd"] >= 0) == truth).mean())


def shift(pool: Pool, mark: str, **given: Any) -> float:
    asked = DomainShift(reference=str(pool.path), target="label", scores=f"{mark}_predicted_logits", **given)
    found = asked.measure(pool)
    return float(found.own_recall.mean() + found.reference_recall.mean())


def baseline(pool: Pool, mark: str, **given: Any) -> float:
    return Baseline(embedding=f"{mark}_space", handmade=[], C=1.0, **given).measure(pool).arms[0].value


def efficient(pool: Pool, mark: str, **given: Any) -> float:
    asked = LabelEfficiency(embeddings=[f"{mark}_space"], fractions=[1.0], **given)
    return asked.measure(pool).points[f"{mark}_space"][0].mean


def retrieved(pool: Pool, mark: str, **given: Any) -> float:
    return Retrieval(embedding=f"{mark}_space", **given).measure(pool).ranked.mean_average_precision


UNSEEN = {"where": "not known"}
JUDGES: dict[str, tuple[Callable[..., float], dict[str, Any], dict[str, Any]]] = {
    "classify": (top1, {}, UNSEEN),
    "cross-retrieve": (crossed, {}, UNSEEN),
    "disparity": (lambda pool, mark, **given: audit(pool, prediction=f"{mark}_predicted", **given), {}, UNSEEN),
    "disparity of a column": (
        lambda pool, mark, **given: audit(pool, prediction=f"{mark}_predicted", metrics=["hit@1"], **given), {}, UNSEEN,
    ),
    "disparity of a space": (
        lambda pool, mark, **given: audit(pool, embedding=f"{mark}_space", metrics=["hit@1"], **given), {}, UNSEEN,
    ),
    "harmful-labels": (harm, {}, UNSEEN),
    "domain-shift": (shift, {}, UNSEEN | {"reference_where": "not known"}),
    "baseline": (baseline, {"split": "half"}, {"split": "fair"}),
    "label-efficiency": (efficient, {"split": "half"}, {"split": "fair"}),
    "retrieval": (retrieved, {}, {"queries": "not known"}),
}  # fmt: skip


@pytest.mark.parametrize("name", JUDGES)
def test_a_memory_scores_no_better_than_on_what_it_never_saw(pool: Pool, name: str) -> None:
    judge, whole, fair = JUDGES[name]
    held_out, flattered = judge(pool, "plain", **fair), judge(pool, "plain", **whole)
    assert held_out < flattered - 0.1
    assert judge(pool, "run", **whole) == pytest.approx(held_out)
    assert judge(pool, "run", **whole, including_training_rows=True) == pytest.approx(flattered)


def test_ways_of_curating_are_tested_on_what_the_encoder_never_saw(pool: Pool) -> None:
    for given, wanted in (({}, "half = 'test' and not known"), ({"including_training_rows": True}, "half = 'test'")):
        known = Curation(selections=["any"], embedding="run_space", **given).trained(pool, "run_space")
        found = exam(pool, "half = 'test'", "label", "true", classes=True, trained=known)
        assert found.rows.tolist() == pool.rows(wanted).tolist()


def test_label_maps_of_training_rows_do_not_count(pool: Pool) -> None:
    found, plain = (LabelMaps(maps=f"{mark}_map").measure(pool) for mark in ("run", "plain"))
    unseen = ~np.isin(plain.rows, pool.rows("known"))
    assert found.rows.tolist() == plain.rows[unseen].tolist()
    assert found.whole.tolist() == plain.whole[unseen].tolist()
    assert (plain.whole == plain.label).mean() > (found.whole == found.label).mean() + 0.1


def test_every_judge_either_leaves_training_rows_out_or_scores_no_model() -> None:
    judges = {name: cls for name in entries() if (cls := find(name)).verb == "judge"}
    assert {name for name, cls in judges.items() if not issubclass(cls, OfModels)} == set(APART)


def test_the_report_says_what_was_left_out_and_what_was_not(pool: Pool) -> None:
    page = Classify(scores="run_predicted_logits").judge(pool)
    assert page.facts["rows"] == N - KNOWN
    assert f"Left out: {KNOWN} rows" in page.to_html()
    marked = Classify(scores="run_predicted_logits", including_training_rows=True).watched(pool, Silent())
    assert marked.verdict.endswith("With the rows that the model was trained on, as asked.")
    assert f"{KNOWN} training rows of" in marked.to_html()


def test_nothing_is_judged_where_everything_was_trained_on(pool: Pool) -> None:
    with pytest.raises(NothingToDo, match=r"was trained on the rows where known.*--including-training-rows"):
        Classify(scores="run_predicted_logits", where="known").measure(pool)


def test_a_probe_is_judged_on_the_rows_that_it_held_out(tmp_path: Path) -> None:
    """The printed next step of `learn probe`: noise labels, so that anything above chance is memory."""
    rng = np.random.default_rng(0)
    files = {f"{i:02d}": encoded(picture(i, (48, 48)), "PNG") for i in range(60)}
    made = veduta.create(tmp_path / "p.vd")
    made.ingest(Given(files, {key: {"label": KINDS[rng.integers(0, 3)]} for key in files}))
    run = Probe(encoder="offline", C=1e6, validation=0.3).learn(made)
    made.annotate(Predict(model=str(run.path)))
    asked = Classify()
    judged = asked.measure(made)
    held_out = run.about["training"]["validation_rows"]
    assert len(judged.rows) == held_out
    found = asked.figures(judged)["top1"]["value"]
    assert found == pytest.approx(run.about["figures"]["accuracy"])
    flattered = Classify(including_training_rows=True)
    assert flattered.figures(flattered.measure(made))["top1"]["value"] > found + 0.2
    trained = trained_on.read(Path(run.path))
    assert trained is not None
    Path(run.path, trained_on.FILE).unlink()
    assert "does not say what it was trained on" in asked.measure(made).notes[0]
