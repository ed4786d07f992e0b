"""Soft targets from any source, through the loader and a training run."""

from __future__ import annotations

import contextlib
import json
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch

from learn.shapes import pool_of
from veduta.engine.operation import Annotator, Field
from veduta.engine.progress import Silent
from veduta.errors import BadInput, MissingColumn
from veduta.learn import augment
from veduta.learn.augment import RandomResizedCrop, View
from veduta.learn.classify import Classify
from veduta.learn.loader import Loader
from veduta.learn.targets import Replay, named, order_of, parse
from veduta.pool import Pool

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
SIZE = 24


class Half:
    """Replays the left half of even rows, flipped at random; knows nothing of rows that 5 divides."""

    side = 30
    classes = 3

    def __init__(self, missing: int = 0, size: int = SIZE) -> None:
        self.missing = missing
        self.view = View((RandomResizedCrop(size), augment.HorizontalFlip()), size)

    def replay(self, row, rng):
        if row % 2:
            return None
        flip = {"flip": 1} if rng.random() < 0.5 else {}
        return Replay(self.view, [{"window": [0, 0, 32, 16]}, flip], record=("half", row))

    def targets(self, rows, seen):
        found = np.zeros((len(rows), 3), np.float32)
        for i, (row, how) in enumerate(zip(rows, seen, strict=True)):
            x0, _, x1, _ = how.box
            share = x1 - x0
            found[i] = (0, 0, 0) if row % 5 == 0 else (share, 1 - share, 0)
        return found


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("soft") / "shapes.vd", 60)


def loader(pool, **options):
    given = {"targets": Half(), "seed": 3} | options
    return Loader(pool, pool.rows(), [augment.view("train", SIZE)], 12, mean=MEAN, std=STD, **given)


def taken(source, count, start=0):
    with contextlib.closing(source.batches(start)) as batches:
        return list(islice(batches, count))


def test_each_image_comes_with_how_it_was_seen_and_what_it_shows(shapes: Pool) -> None:
    drawn = 0
    for batch in taken(loader(shapes), 6):
        assert batch.targets.shape == (12, 3)
        assert batch.targets.dtype == torch.float32
        assert len(batch.seen) == 12
        for row, target, how in zip(batch.rows.tolist(), batch.targets, batch.seen, strict=True):
            assert (how.height, how.width) == (32, 32)
            assert how.record == (None if row % 2 else ("half", row))
            x0, y0, x1, y1 = how.box
            if row % 2:
                window = how.params[0]["window"]
                assert (y0, x0, y1 - y0, x1 - x0) == pytest.approx(np.array(window) / 32)
                drawn += 1
            else:
                assert (x0, y0, x1, y1) == (0, 0, 0.5, 1)
            assert target.tolist() == pytest.approx([0, 0, 0] if row % 5 == 0 else [x1 - x0, 1 - (x1 - x0), 0])
    assert drawn > 10


def test_the_pixels_are_those_of_the_replayed_parameters(shapes: Pool) -> None:
    for plain, batch in zip(taken(loader(shapes, targets=None), 3), taken(loader(shapes), 3), strict=True):
        assert plain.targets is None
        assert plain.seen == ()
        assert np.array_equal(plain.rows, batch.rows)
        from veduta.engine.decode import decode

        for place, (row, how) in enumerate(zip(batch.rows.tolist(), batch.seen, strict=True)):
            if row % 2:  # the run's own view, as without a source
                assert torch.equal(batch.images[0][place], plain.images[0][place])
            pixels = how.view.apply(decode(shapes.read_images([row])[0], 30).pixels, how.params)
            wanted = (pixels.transpose(2, 0, 1) / 255 - 0.5) / 0.5
            assert np.allclose(batch.images[0][place].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 3}, {"cache_bytes": 0}])
def test_targets_are_the_same_from_any_step_and_with_any_threads(shapes: Pool, options) -> None:
    whole = taken(loader(shapes), 13)
    for one, other in zip(whole[4:], taken(loader(shapes, **options), 9, 4), strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert torch.equal(one.images[0], other.images[0])
        assert torch.equal(one.targets, other.targets)
        assert one.seen == other.seen


def test_processes_and_pieces_share_the_targets(shapes: Pool) -> None:
    whole = taken(loader(shapes), 5)
    for rank in (0, 1):
        for batch, part in zip(whole, taken(loader(shapes, rank=rank, world=2), 5), strict=True):
            assert torch.equal(part.targets, batch.targets[rank::2])
            assert part.seen == batch.seen[rank::2]
    pieces = whole[0].split(5)
    assert torch.equal(torch.cat([piece.targets for piece in pieces]), whole[0].targets)
    assert tuple(how for piece in pieces for how in piece.seen) == whole[0].seen


def test_soft_targets_are_for_one_view(shapes: Pool) -> None:
    with pytest.raises(ValueError, match="one view, got 2"):
        Loader(shapes, shapes.rows(), [augment.view("train", 24)] * 2, 4, mean=MEAN, std=STD, targets=Half())


class MakeHalf(Annotator):
    """Makes a column of which the source above is opened."""

    column: str = Field("half", description="name")

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.int8())])

    def annotate(self, batch):
        return {self.column: np.zeros(len(batch), np.int8)}


class Two(Half):
    """Says the other class of all but rows that 5 divides, as far as the left half is seen."""

    classes = 2

    def __init__(self, said, pool, rows, classes, size):
        super().__init__(int((rows % 5 == 0).sum()), size)
        said.known("share")
        self.share = said.number("share", 1.0, 0, 1)
        self.place = order_of(["disc", "cross"], classes, said.text)

    def targets(self, rows, seen):
        found = np.zeros((len(rows), 2), np.float32)
        for i, row in enumerate(rows):
            if row % 5:
                found[i, self.place[(row + 1) % 2]] = 1  # even rows are discs
        return found


class Heard(Silent):
    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, message: str) -> None:
        self.words.append(message)


@pytest.fixture(scope="module")
def halves(shapes: Pool, monkeypatch_module) -> Pool:
    monkeypatch_module.setattr(named, "_known", lambda: {"make-half": lambda: Two})
    shapes.annotate(MakeHalf())
    return shapes


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


SMALL = {"model": "conv_small", "batch": 12, "lr": 3e-3, "views": "eval", "ema": False}


def test_a_run_says_where_its_targets_come_from(halves: Pool) -> None:
    heard = Heard()
    run = Classify(targets="half", steps=2, **SMALL).learn(halves, name="said", on=heard)
    missing = run.about["training"]["rows_without_targets"]
    assert 0 < missing < 15
    assert any(f"{missing} of" in word and "their plain label counts" in word for word in heard.words)
    assert run.about["training"]["targets"] == "half"
    assert json.loads((run.path / "run.json").read_text())["parameters"]["targets"] == "half"


def test_label_smoothing_is_off_and_the_plain_label_fills_in(halves: Pool) -> None:
    from veduta.learn.classify_task import prepare

    settings = Classify(targets="half", steps=1, label_smoothing=0.3, **SMALL)
    prepared = prepare(settings, halves, None, None)
    assert any("label_smoothing has no effect" in word for word in prepared.warnings)
    batch = taken(prepared.loader(0, 1), 1)[0]
    prepared.task.eval()
    truth = torch.from_numpy(prepared.task.classes[batch.rows])
    soft = torch.nn.functional.one_hot(truth, 2).float()
    known = torch.from_numpy(batch.rows % 5 != 0)
    assert 0 < known.sum() < 12
    soft[known] = batch.targets[known]
    logits = prepared.task.network(batch.images[0])
    wanted = -(soft * logits.log_softmax(1)).sum(1).mean()
    assert prepared.task(batch)["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_mixed_images_have_mixed_targets(halves: Pool) -> None:
    from veduta.learn.classify_task import prepare

    prepared = prepare(Classify(targets="half", steps=1, cutmix=1.0, **SMALL), halves, None, None)
    batch = taken(prepared.loader(0, 1), 1)[0]
    prepared.task.eval()
    truth = torch.nn.functional.one_hot(torch.from_numpy(prepared.task.classes[batch.rows]), 2).float()
    soft = torch.where(torch.from_numpy(batch.rows % 5 != 0)[:, None], batch.targets, truth)
    rng = np.random.default_rng([0, 0, 1])
    rng.integers(1)
    drawn = augment.CutMix(1.0).sample(rng, 12, *batch.images[0].shape[2:])
    top, left, bottom, right = drawn["window"]
    images = batch.images[0].clone()
    images[:, :, top:bottom, left:right] = batch.images[0][drawn["partner"], :, top:bottom, left:right]
    area = (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
    soft = (1 - area) * soft + area * soft[drawn["partner"]]
    wanted = -(soft * prepared.task.network(images).log_softmax(1)).sum(1).mean()
    assert prepared.task(batch)["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_run_goes_on_exactly_where_it_was_killed(halves: Pool, monkeypatch) -> None:
    from veduta.learn.trainer import Trainer

    settings = Classify(targets="half", steps=20, **SMALL)
    whole = settings.learn(halves, name="whole")
    step = Trainer._step
    monkeypatch.setattr("veduta.learn.trainer.CHECKPOINT_SECONDS", 0.0)

    def dies(self, batch):
        if batch.step == 13:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", dies)
    with pytest.raises(KeyboardInterrupt):
        settings.learn(halves, name="killed")
    monkeypatch.setattr(Trainer, "_step", step)
    again = settings.learn(halves, name="killed")
    assert (whole.path / "last.safetensors").read_bytes() == (again.path / "last.safetensors").read_bytes()


def test_what_cannot_be_a_source_gets_a_sentence(halves: Pool) -> None:
    with pytest.raises(BadInput, match="targets must be COLUMN, COLUMN:MODE"):
        Classify(targets=":mode", **SMALL).check(halves)
    with pytest.raises(MissingColumn, match="nothing"):
        Classify(targets="nothing", **SMALL).check(halves)
    with pytest.raises(
        BadInput,
        match="'label' came with the source and holds no soft targets; name one made by veduta annotate make-half",
    ):
        Classify(targets="label", **SMALL).check(halves)
    for text, words in (
        ("half?share=2", "share .* must be a number in .0, 1., got '2'"),
        ("half?hare=1", "no option 'hare'; it has: share"),
    ):
        with pytest.raises(BadInput, match=words):
            Classify(targets=text, steps=1, **SMALL).learn(halves, name="refused")


def test_a_name_in_its_parts() -> None:
    said = parse("relabel:local_multi?empty=min&x=")
    assert (said.column, said.mode, dict(said.options)) == ("relabel", "local_multi", {"empty": "min", "x": ""})
    assert said.choice("mode", ["global_multi", "local_multi"]) == "local_multi"
    assert parse("relabel").choice("mode", ["a", "b"]) == "a"
    assert parse("relabel").choice("mode", ["a", "b"], "b") == "b"
    with pytest.raises(BadInput, match=r"the option empty of --targets .* must be one of zero, max, got 'min'"):
        said.choice("empty", ["zero", "max"])


def test_classes_are_matched_by_name() -> None:
    assert order_of(["b", "x", "a"], ["a", "b"], "t").tolist() == [1, -1, 0]
    with pytest.raises(
        BadInput, match=r"does not know 1 of the 2 classes that are trained \('c'\); it speaks about 2 \('b', 'a'\)"
    ):
        order_of(["b", "a"], ["a", "c"], "t")
