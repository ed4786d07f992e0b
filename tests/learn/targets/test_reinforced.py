"""Stored views and answers as targets of training."""

from __future__ import annotations

import contextlib
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from learn.shapes import pool_of, shape
from pictures import encoded
from veduta.annotate.reinforce import Reinforce
from veduta.engine.decode import decode
from veduta.engine.progress import Silent
from veduta.errors import BadInput
from veduta.learn import augment
from veduta.learn.augment.records import RECIPE, Recipe, unpack
from veduta.learn.classify import Classify
from veduta.learn.loader import Loader
from veduta.learn.targets import open_source
from veduta.learn.targets import reinforced as module
from veduta.learn.targets.reinforced import densify, read
from veduta.pool import Pool

SIZE, SAMPLES = 32, 5
CLASSES = ["cross", "disc"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Sixty shapes with records but for the last ten, which have come later."""
    pool = pool_of(tmp_path_factory.mktemp("reinforced") / "shapes.vd", 60, damaged=1)
    run = Classify(model="conv_small", steps=60, batch=16, lr=3e-3, views="eval").learn(pool)
    pool.annotate(Reinforce(teacher=(str(run.path),), samples=SAMPLES, topk=2, size=SIZE), where="key < 's0050'")
    return pool


def source(pool: Pool, text: str = "reinforce", size: int = SIZE, classes: list[str] = CLASSES):
    return open_source(text, pool, pool.rows("error is null"), classes, size, "learn classify")


def train(pool: Pool, name: str, heard: Silent | None = None, **given):
    settings = {"model": "conv_small", "steps": 4, "batch": 8, "size": SIZE, "targets": "reinforce", **given}
    return Classify(**settings).learn(pool, name=name, on=heard or Silent())


def test_batches_show_stored_views_with_their_answers(shapes: Pool) -> None:
    own = source(shapes, "reinforce?p=0.7")
    loader = Loader(
        shapes,
        shapes.rows("error is null"),
        [augment.view("eval", SIZE)],
        12,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        targets=own,
    )
    with contextlib.closing(loader.batches()) as batches:
        taken = list(islice(batches, 30))
    lists = shapes.table(["reinforce"]).column(0).to_pylist()
    plain, numbers, visits = 0, [], 0
    for batch in taken:
        for row, how, target, image in zip(
            batch.rows.tolist(), batch.seen, batch.targets, batch.images[0], strict=True
        ):
            pixels = decode(shapes.read_images([row])[0], own.side).pixels
            if how.record is None:
                assert target.tolist() == [0, 0]
                shown = augment.view("eval", SIZE)(pixels, np.random.default_rng(0))
                plain += lists[row] is not None
            else:
                number = how.record - own._place[row]
                record = lists[row][number]
                answer = dict(zip(record["cls"], record["p"], strict=True))
                total = sum(answer.values())
                assert target.tolist() == pytest.approx([answer[0] / total, answer[1] / total], abs=1e-3)
                shown = own.view.apply(pixels, unpack(own.view, own._records, how.record))
                numbers.append(int(number))
            visits += lists[row] is not None
            assert np.allclose(image.numpy() * 255, shown.transpose(2, 0, 1), atol=1e-3)
    assert 0.2 < plain / visits < 0.4
    assert np.bincount(numbers, minlength=SAMPLES).min() > 0.1 * len(numbers)
    assert own.missing == 10
    assert all(lists[row] is None for row in range(50, 60))


def test_densify_spreads_what_is_missing_or_gives_it_to_the_kept() -> None:
    p = np.array([[0.5, 0.25], [0.75, 0.5], [1.0, 0.0]], np.float16)
    cls = np.array([[3, 0], [1, 2], [4, 3]], np.int16)
    smooth = densify(p, cls, 5, smooth=True)
    wanted = np.array([[0.25, 1 / 12, 1 / 12, 0.5, 1 / 12], [0, 0.6, 0.4, 0, 0], [0, 0, 0, 0, 1]])
    assert np.allclose(smooth, wanted, atol=1e-6)
    zeros = densify(p, cls, 5, smooth=False)
    assert np.allclose(zeros, [[1 / 3, 0, 0, 2 / 3, 0], [0, 0.6, 0.4, 0, 0], [0, 0, 0, 0, 1]], atol=1e-6)
    assert np.allclose(densify(p, np.array([[1, 0]] * 3, np.int16), 2, smooth=True).sum(1), 1)


def test_the_loss_is_the_divergence_from_the_answers_up_to_their_entropy() -> None:
    """KL(target || student), batch mean, as torch computes it: the gradient of the cross-entropy that training uses."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=rng, requires_grad=True)
    target = torch.rand(6, 4, generator=rng).softmax(1)
    one = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, target), logits)[0]
    divergence = torch.nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean")
    assert torch.allclose(one, torch.autograd.grad(divergence, logits)[0], atol=1e-6)


def test_training_takes_one_flag_and_resumes_to_the_same(shapes: Pool) -> None:
    run = train(shapes, "flag", steps=30)
    assert run.about["training"]["targets"] == "reinforce"
    assert run.about["training"]["rows_without_targets"] == 0
    again = train(shapes, "again", steps=30)
    assert (run.path / "model.safetensors").read_bytes() == (again.path / "model.safetensors").read_bytes()


def test_classes_of_the_teacher_are_matched_by_name(shapes: Pool) -> None:
    own, turned = source(shapes), source(shapes, classes=["disc", "cross"])
    replay = own.replay(3, np.random.default_rng(1))
    how = module.Seen(replay.view, replay.params, 32, 32, replay.record)
    rows = np.array([3])
    assert np.array_equal(own.targets(rows, [how])[:, ::-1], turned.targets(rows, [how]))
    alone = source(shapes, classes=["disc"])
    assert alone.targets(rows, [how]).tolist() == [[1.0]]
    with pytest.raises(BadInput, match=r"does not know 1 of the 2 classes that are trained \('square'"):
        source(shapes, classes=["disc", "square"])


def test_what_the_records_are_not_for_is_refused(shapes: Pool) -> None:
    for text, words in (
        ("reinforce:zeros", "has no modes"),
        ("reinforce?p=1.5", "must be a number in"),
        ("reinforce?densify=softly", "must be one of smooth, zeros"),
        ("reinforce?q=1", "has no option 'q'"),
    ):
        with pytest.raises(BadInput, match=words):
            source(shapes, text)
    with pytest.raises(BadInput, match="views of 32 pixels and the network would see 64; give --size 32"):
        source(shapes, size=64)
    for mix in ({"mixup": 0.2}, {"cutmix": 1.0}):
        with pytest.raises(BadInput, match="mixup and cutmix must be 0"):
            train(shapes, "mixed", **mix)
    with pytest.raises(BadInput, match="none of the 10 training rows has records"):
        open_source("reinforce", shapes, np.arange(50, 60), CLASSES, SIZE, "learn classify")


def described(pool: Pool, **changed) -> dict:
    """Change what the column says of its making; gives back what it said."""
    field = pool.schema.field("reinforce")
    said = json.loads(field.metadata[RECIPE])
    metadata = {**field.metadata, RECIPE: json.dumps({**said, **changed}).encode()}
    pool.describe(pa.schema([field.with_metadata(metadata)]))
    return {name: said[name] for name in changed}


def test_other_libraries_are_refused_and_the_drift_is_measured(shapes: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = Recipe.of(shapes.schema.field("reinforce")).libraries
    before = described(shapes, libraries={**libraries, "numpy": "1.0"})
    try:
        with pytest.raises(BadInput, match=r"made with numpy 1.0 .now .*; of 50 records replayed, 0 show other pixels"):
            source(shapes)
        assert "0 show other pixels" in source(shapes, "reinforce?allow_drift=1").notes[0]

        class Brighter:
            """Everything three steps brighter: what a library might do, if it went mad."""

            def __init__(self, view) -> None:
                self._view, self.steps, self.config = view, view.steps, view.config

            def apply(self, image, params):
                return np.minimum(self._view.apply(image, params).astype(int) + 3, 255).astype(np.uint8)

        plain = Recipe.view.fget
        monkeypatch.setattr(Recipe, "view", property(lambda self: Brighter(plain(self))))
        with pytest.raises(BadInput, match="50 show other pixels"):
            source(shapes)
        allowed = source(shapes, "reinforce?allow_drift=1&p=1")
        assert "50 show other pixels" in allowed.notes[0]
        off = float(allowed.notes[0].split("on average ")[1].split()[0])
        assert 1.5 < off < 4.5  # estimated from the sketches alone
        assert allowed.replay(0, np.random.default_rng(0)).check is None
        described(shapes, libraries=libraries)
        with pytest.raises(
            BadInput, match=r"image s0000, which has not changed, shows other pixels .* \(another processor"
        ):
            source(shapes)
    finally:
        described(shapes, **before)
    before = described(shapes, version=99)
    try:
        with pytest.raises(BadInput, match="made by another version of Veduta"):
            source(shapes)
    finally:
        described(shapes, **before)


def test_an_image_that_changes_under_a_reference_stops_the_training(tmp_path: Path, shapes: Pool) -> None:
    import veduta

    teacher = str(shapes.path / "runs" / "classify")
    folder = tmp_path / "images"
    for i in range(24):
        place = folder / ("disc", "cross")[i % 2] / f"s{i:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(shape(i), "PNG"))
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(folder, store="reference")
    pool.annotate(Reinforce(teacher=(teacher,), samples=2, topk=2, size=SIZE))
    own = open_source("reinforce?p=1", pool, pool.rows(), CLASSES, SIZE, "learn classify")
    changed = folder / "disc" / "s04.png"
    row = pool.rows("key like '%s04%'")
    changed.write_bytes(encoded(shape(5), "PNG"))
    with pytest.raises(BadInput, match=r"s04.* no longer"):
        open_source("reinforce", pool, row, CLASSES, SIZE, "learn classify")
    loader = Loader(pool, row, [augment.view("eval", SIZE)], 1, mean=(0, 0, 0), std=(1, 1, 1), targets=own)
    with pytest.raises(BadInput, match=r"s04.* no longer"), contextlib.closing(loader.batches()) as batches:
        next(batches)
    changed.write_bytes(encoded(shape(4, 34).crop((0, 0, 33, 8)), "PNG"))
    loader = Loader(
        pool, np.repeat(row, 8), [augment.view("eval", SIZE)], 8, mean=(0, 0, 0), std=(1, 1, 1), targets=own
    )
    with pytest.raises(BadInput, match=r"no longer|another image"), contextlib.closing(loader.batches()) as batches:
        next(batches)


def test_reading_places_every_record(shapes: Pool) -> None:
    rows = np.array([40, 55, 2])
    place, arrays = read(shapes, "reinforce", rows)
    assert place[55] == -1
    assert place[0] == -1
    assert len(arrays["crc"]) == 2 * SAMPLES
    wanted = shapes.take([2], ["reinforce"]).column(0)[0].as_py()
    assert arrays["crc"][place[2] : place[2] + SAMPLES].tolist() == [record["crc"] for record in wanted]
