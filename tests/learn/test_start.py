"""Runs of `learn pairs` that start from another one, their average, and what is remembered of their images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from learn.shapes import Heard, pool_of
from veduta.annotate.align import Align
from veduta.annotate.embed import Embed
from veduta.encode import trained_on
from veduta.errors import BadInput
from veduta.learn.classify import Classify
from veduta.learn.pairs import Pairs
from veduta.learn.run import Run
from veduta.pool import Pool

SMALL: dict[str, Any] = {"batch": 16, "dim": 8, "hidden": 8}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("start") / "shapes.vd", 120, damaged=1, annotators=(Embed(),))


@pytest.fixture(scope="module")
def first(shapes: Pool) -> Run:
    return Pairs(steps=20, **SMALL).learn(shapes, where="key < 's0060'", name="first")


def weights(run: Run) -> dict[str, np.ndarray]:
    return load_file(run.path / "model.safetensors")


def test_a_run_begins_with_the_weights_of_another(shapes: Pool, first: Run) -> None:
    run = Pairs(steps=1, lr=1e-12, weight_decay=0, init=first.encoder, **SMALL).learn(shapes, name="still")
    old, new = weights(first), weights(run)
    assert set(old) == set(new)
    assert all(np.allclose(old[name], new[name], atol=1e-6) for name in old)
    assert run.about["init"] == {"run": str(first.path), "weights": first.about["weights"]}
    assert f"started from {first.path}" in (run.path / "card.md").read_text("utf-8")


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_average_is_linear_in_every_tensor(shapes: Pool, first: Run, share: float) -> None:
    tuned = Pairs(steps=8, validation=0, init=str(first.path), **SMALL).learn(shapes, name="tuned")
    mixed = Pairs(steps=8, validation=0, init=str(first.path), wise=share, **SMALL).learn(shapes, name=f"wise{share}")
    old, new, both = weights(first), weights(tuned), weights(mixed)
    assert any(np.abs(old[name] - new[name]).max() > 1e-3 for name in old)
    for name in old:
        assert np.allclose(both[name], (1 - share) * old[name] + share * new[name], atol=1e-6)
    # The weights of the last step are those of the training, not of the average.
    assert all(
        np.array_equal(value, load_file(mixed.path / "last.safetensors")[name])
        for name, value in load_file(tuned.path / "last.safetensors").items()
    )


def test_the_first_run_gives_its_vocabulary(shapes: Pool) -> None:
    words = Pairs(text_tower="bow", steps=4, **SMALL).learn(shapes, where="key < 's0030'", name="words")
    run = Pairs(text_tower="bow", steps=2, init=str(words.path), wise=0.5, **SMALL).learn(shapes, name="more_words")
    assert run.about["text"]["config"] == words.about["text"]["config"]


def test_a_trained_text_tower_and_pixels_go_on(shapes: Pool) -> None:
    options: dict[str, Any] = {
        "image": "image", "image_tower": "conv_small", "size": 16, "train_text": True, "batch": 4, "dim": 8, "validation": 0,
    }  # fmt: skip
    one = Pairs(steps=1, **options).learn(shapes, name="pixels", where="key < 's0008'")
    two = Pairs(steps=1, init=str(one.path), wise=0.5, **options).learn(
        shapes, name="pixels2", where="key between 's0008' and 's0015'"
    )
    assert {name.split(".")[0] for name in weights(two)} >= {"network", "text", "image_head", "text_head"}
    assert (two.path / "model.onnx").exists()


def test_what_cannot_be_the_start_is_refused(shapes: Pool, first: Run, tmp_path: Path) -> None:
    classifier = Classify(model="conv_small", steps=1, batch=8, size=16).learn(shapes, name="classifier")
    init = str(first.path)
    for settings, words in (
        ({"init": str(tmp_path)}, "is not a finished run"),
        ({"init": str(classifier.path)}, "is a classifier"),
        ({"init": init, "dim": 16}, "has dim 8, and this run would have 16; give --dim 8"),
        ({"init": init, "text_tower": "bow"}, "give --text-tower minilm"),
        ({"init": init, "image": "image"}, "was trained on the vectors of 'offline', and this run would be on pixels"),
    ):
        with pytest.raises(BadInput, match=words):
            Pairs(**{"steps": 1, **SMALL, **settings}).learn(shapes, name="refused")
    with pytest.raises(BadInput, match="give --init as well"):
        Pairs(wise=0.5)


def test_evaluation_sets_are_handed_on(shapes: Pool, first: Run) -> None:
    one = Pairs(steps=1, init=str(first.path), evaluation_sets=["shapes"], **SMALL).learn(shapes, name="sets")
    two = Pairs(steps=1, init=str(one.path), evaluation_sets=["colours"], **SMALL).learn(shapes, name="sets2")
    assert two.about["evaluation_sets"] == ["colours", "shapes"]
    assert "flatter it: colours, shapes" in (two.path / "card.md").read_text("utf-8")


def test_few_pairs_are_said_to_be_few(shapes: Pool) -> None:
    heard = Heard()
    Pairs(steps=1, **SMALL).learn(shapes, where="key < 's0040'", name="few", on=heard)
    assert any("100 are the least" in word for word in heard.words)


def test_seen_images_get_no_score(shapes: Pool, first: Run, tmp_path: Path) -> None:
    """The same pictures in another pool are known by their bytes; later runs know what their start has seen."""
    other = pool_of(tmp_path / "other.vd", 80, damaged=1, annotators=(Embed(),))
    trained = trained_on.read(first.path)
    assert trained is not None
    assert len(trained) == first.about["training"]["rows"]
    heard = Heard()
    other.annotate(Align(encoder=first.encoder), on=heard)
    scores = other.table(["alignment"]).column(0)
    assert scores.null_count == len(trained) + 1  # and the damaged row
    assert any(f"{len(trained)} rows have no alignment: " in word for word in heard.words)
    other.annotate(Align(encoder=first.encoder, seen="score", column="all"), on=heard)
    assert other.table(["all"]).column(0).null_count == 1
    kept = scores.is_valid().to_numpy(zero_copy_only=False)
    assert np.array_equal(
        scores.to_numpy(zero_copy_only=False)[kept],
        other.table(["all"]).column(0).to_numpy(zero_copy_only=False)[kept],
    )
    later = Pairs(steps=1, init=str(first.path), **SMALL).learn(shapes, where="key >= 's0060'", name="later")
    both = trained_on.read(later.path)
    assert both is not None
    assert set(trained.tolist()) < set(both.tolist())


def test_digests_are_found_among_sorted_numbers() -> None:
    digests = ["ff" * 32, "00" * 7 + "01" + "00" * 24, None, "7f" * 32]
    numbers = trained_on.numbers(digests)
    assert numbers.tolist() == [2**64 - 1, 1, 0, int("7f" * 8, 16)]
    known = np.sort(numbers[[0, 3]])
    assert trained_on.seen(digests, known).tolist() == [True, False, False, True]
    assert trained_on.seen(digests, known[:0]).tolist() == [False] * 4
