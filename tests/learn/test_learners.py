"""The training operations from a pool to a run that is an encoder and a classifier."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

import veduta
from learn.shapes import Heard, pool_of
from veduta.annotate.cluster import Cluster
from veduta.annotate.embed import Embed
from veduta.annotate.predict import Predict
from veduta.annotate.text_space import class_vectors
from veduta.encode import load
from veduta.errors import BadInput, EncoderError, MissingColumn, NothingToDo
from veduta.judge.classify import Classify as JudgeClassify
from veduta.judge.cross_retrieve import CrossRetrieve
from veduta.learn.classify import Classify
from veduta.learn.pairs import Pairs
from veduta.learn.pairs_task import _once_a_group
from veduta.learn.pretrained import load_lite0
from veduta.learn.views import Views
from veduta.pool import Pool


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("learners") / "shapes.vd", 240, damaged=2, annotators=(Embed(),))


@pytest.fixture(scope="module")
def classifier(shapes: Pool):
    heard = Heard()
    run = Classify(model="conv_small", steps=150, batch=32, lr=3e-3, views="eval").learn(shapes, on=heard)
    run.heard = heard.words
    return run


def test_a_small_network_learns_two_shapes(shapes: Pool, classifier) -> None:
    assert classifier.figures["accuracy"] > 0.9
    assert any("2 images that cannot be decoded" in word for word in classifier.heard)
    assert any("60 rows of other splits (test), never touched" in word for word in classifier.heard)
    names = {file.name for file in classifier.path.iterdir()}
    wanted = {"run.json", "veduta.json", "curve.csv", "curve.png", "card.md", "model.safetensors", "last.safetensors"}
    assert wanted | {"model.onnx"} <= names
    assert "checkpoint" not in names
    assert "disc" in (classifier.path / "card.md").read_text()


def test_the_run_predicts_and_is_judged_on_rows_it_never_saw(shapes: Pool, classifier) -> None:
    shapes.refresh()
    shapes.annotate(Predict(model=str(classifier.path)))
    table = shapes.table(["label", "predicted", "predicted_score", "split", "error"]).to_pylist()
    test = [row for row in table if row["split"] == "test"]
    assert np.mean([row["label"] == row["predicted"] for row in test]) > 0.85
    assert all(row["predicted"] is None for row in table if row["error"])
    report = JudgeClassify().judge(shapes)
    assert len(test) == 60
    assert "60 images" in report.verdict.replace("\N{NO-BREAK SPACE}", " ")


def test_onnx_and_torch_give_the_same(shapes: Pool, classifier, tmp_path: Path) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    quick = load(f"run:{classifier.path}")
    folder = tmp_path / "run"
    shutil.copytree(classifier.path, folder)
    (folder / "model.onnx").unlink()
    slow = load(f"run:{folder}")
    assert np.allclose(quick.image(squares), slow.image(squares), atol=1e-5)
    assert np.allclose(quick.logits(squares), slow.logits(squares), atol=1e-3)
    assert quick.fingerprint == slow.fingerprint
    with pytest.raises(EncoderError, match="no text side"):
        quick.text(["a disc"])


def test_the_same_command_again_does_nothing(shapes: Pool, classifier) -> None:
    heard = Heard()
    pinned = shapes.at(json.loads((classifier.path / "run.json").read_text())["pool_version"])
    before = (classifier.path / "veduta.json").read_bytes()
    settings = Classify(model="conv_small", steps=150, batch=32, lr=3e-3, views="eval")
    settings.learn(pinned, on=heard)
    assert any("is done already" in word for word in heard.words)
    assert (classifier.path / "veduta.json").read_bytes() == before


def test_damaged_runs_are_refused(classifier, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(classifier.path, folder)
    (folder / "model.onnx").unlink()
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(EncoderError, match="not those that its record names"):
        load(f"run:{folder}").image(np.zeros((1, 32, 32, 3), np.uint8))
    (folder / "veduta.json").unlink()
    with pytest.raises(EncoderError, match="is not finished"):
        load(f"run:{folder}")
    with pytest.raises(EncoderError, match="names no run"):
        load(f"run:{tmp_path}")


@pytest.mark.parametrize("objective", ["clip", "convirt", "ranking"])
def test_texts_find_their_images(shapes: Pool, objective: str) -> None:
    """Captions name colour and shape; from frozen features a head learns both far above chance."""
    shapes.refresh()
    run = Pairs(objective=objective, steps=200, batch=64, dim=32, lr=3e-3, validation=0.2).learn(
        shapes, name=objective, selection=None
    )
    # Many rows share a caption, so that R@10 of 36 images is the fair figure; chance is 0.28.
    assert run.figures["text_to_image_r10"] > 0.45
    model = load(run.encoder)
    assert model.shared
    assert model.text(["a red disc", "a blue cross"]).shape == (2, 32)
    shapes.annotate(Embed(encoder=run.encoder, column=f"embedding_{objective}"))
    report = CrossRetrieve(encoder=run.encoder, embedding=f"embedding_{objective}").judge(shapes)
    assert report.facts


def test_pairs_of_stored_vectors_end_a_budget_after_32_passes(shapes: Pool) -> None:
    shapes.refresh()
    run = Pairs(budget="1h", batch=64, dim=8, hidden=8, validation=0.2).learn(shapes, name="enough")
    assert run.about["training"]["steps"] == 32 * (run.about["training"]["rows"] // 64)


def test_pairs_on_pixels_with_words_from_scratch(shapes: Pool) -> None:
    run = Pairs(
        image="image",
        image_tower="conv_small",
        text_tower="sse",
        steps=4,
        batch=16,
        dim=16,
        size=32,
        image_head="linear",
    ).learn(shapes, name="pixels")
    assert (run.path / "model.onnx").exists()
    model = load(run.encoder)
    assert model.image(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 16)
    assert model.text(["a red disc"]).shape == (1, 16)
    squares = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    before = load(f"{run.encoder}?head=0")
    assert before.image(squares).shape == (3, before.dim) == (3, 128)
    assert (before.shared, before.text_dim) == (False, None)
    assert before.fingerprint != model.fingerprint
    with pytest.raises(EncoderError, match="no text side"):
        before.text(["a red disc"])
    weight = load_file(run.path / "model.safetensors")["image_head.layers.1.weight"].numpy()
    z = before.image(squares) @ weight.T
    assert np.allclose(z / np.linalg.norm(z, axis=1, keepdims=True), model.image(squares), atol=1e-4)


def test_words_that_a_run_does_not_know_are_refused(shapes: Pool) -> None:
    run = Pairs(text_tower="bow", steps=2, batch=16, dim=16, hidden=8).learn(shapes, name="words")
    shapes.refresh()
    shapes.annotate(Embed(encoder=run.encoder, column="embedding_words"))
    assert len(veduta.search(shapes, text="a red disc", embedding="embedding_words"))
    assert len(veduta.search(shapes, text="a red zyzzyva", embedding="embedding_words"))
    for query in ({"text": "zyzzyva!"}, {"row": 0, "toward": ("zyzzyva", 0.5)}):
        with pytest.raises(BadInput, match="knows no word of 'zyzzyva"):
            veduta.search(shapes, embedding="embedding_words", **query)
    with pytest.raises(BadInput, match="no word of the class 'zyzzyva'"):
        class_vectors(run.encoder, ("disc", "zyzzyva"), ("{}",))


def test_groups_are_held_out_whole_and_are_true_for_each_other(shapes: Pool) -> None:
    """Eight colours and shapes: 20 rows or so of each, of which validation takes all or none."""
    parts = Pairs(group="label", steps=2, batch=16, validation=0.5).prepare(shapes, "label is not null", None)
    labels = np.array(shapes.table(["label"]).column(0).to_pylist())
    held = set(labels[parts.rows.validation])
    assert len(held) == 1
    assert held.isdisjoint(labels[parts.rows.train])
    with torch.no_grad():
        assert set(parts.task.eval().validate().values()) == {1.0}


def test_texts_of_a_group_count_once(shapes: Pool) -> None:
    texts, groups = [["a b", "c"], ["a b"], ["a b"]], np.array([0, 0, 1])
    assert _once_a_group(texts, np.arange(3), groups) == ["a b", "c", "a b"]


def test_pairs_scored_by_the_plain_product_are_validated_so(shapes: Pool) -> None:
    settings = {"objective": "ranking", "steps": 2, "batch": 16, "dim": 8}
    for score, unit in (("dot", False), ("cosine", True)):
        task = Pairs(score=score, **settings).prepare(shapes, None, None).task.eval()
        with torch.no_grad():
            u, v, _ = task.embed()
        assert all(torch.allclose(x.norm(dim=1), torch.ones(len(x))) == unit for x in (u, v))


def test_a_network_of_ones_own_and_advice(shapes: Pool) -> None:
    heard = Heard()
    options = {"layout": [4, "P", [6, 1], 5]}
    run = Classify(
        model="simplenet", options=options, steps=2, batch=8, size=16, optimizer="sgd", drop=0.1, mixup=0.2
    ).learn(shapes, name="own_layout", on=heard)
    assert run.about["network"]["options"] == {"drop": 0.1, **options}
    assert any("together with 3 regularisers" in word for word in heard.words)
    (run.path / "model.onnx").unlink()  # so that the network is built again from the record
    assert load(run.encoder).image(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 5)


@pytest.mark.parametrize("objective", ["simclr", "swav"])
def test_views_need_no_label(shapes: Pool, objective: str) -> None:
    run = Views(objective=objective, model="conv_small", steps=3, batch=16, prototypes=8, projection=[32, 16]).learn(
        shapes, name=f"views_{objective}"
    )
    assert load(run.encoder).image(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 128)
    with pytest.raises(EncoderError, match="has no head"):
        load(f"{run.encoder}?head=0")


def test_an_autoencoder_makes_clusters_that_guide_the_batches(tmp_path: Path) -> None:
    """The whole way of G-SimCLR; labels are only compared."""
    shapes = pool_of(tmp_path / "shapes.vd", 240)
    run = Views(objective="denoise", steps=30, batch=32, lr=3e-3, optimizer="adam").learn(shapes, name="denoise")
    losses = np.loadtxt(run.path / "curve.csv", delimiter=",", skiprows=1, ndmin=2)
    header = (run.path / "curve.csv").read_text().splitlines()[0].split(",")
    assert losses[-1, header.index("loss")] < 0.7 * losses[0, header.index("loss")]
    assert run.about["preprocess"]["mean"] == [0, 0, 0]
    shapes.refresh()
    shapes.annotate(Embed(encoder=run.encoder, column="embedding_denoise"))
    shapes.annotate(Cluster(count=8, embedding="embedding_denoise"))
    options: dict[str, Any] = {"model": "conv_small", "steps": 2, "batch": 8, "compare": "label"}
    guided = Views(objective="g-simclr", **options).learn(shapes, name="guided").about["batches"]
    assert guided["same_cluster_pairs"] == 0
    assert sum(guided["sizes"]) == 180
    assert guided["clusters"] == 8
    assert 0 <= guided["same_label_pairs"] <= 0.6
    by_label = Views(objective="g-simclr", cluster="label", **{**options, "batch": 2}).learn(shapes, name="by_label")
    assert by_label.about["batches"]["same_label_pairs"] == 0
    random = Views(objective="simclr", **options).learn(shapes, name="random").about["batches"]
    assert random["same_label_pairs"] == pytest.approx(0.5, abs=0.1)
    with pytest.raises(BadInput, match="denoise trains conv_small"):
        Views(objective="denoise", model="resnet8_cifar", steps=1, batch=8).learn(shapes, name="no_mirror")


LITE0: dict[str, Any] = {"pretrained": True, "size": 32, "steps": 3, "batch": 8, "freeze": 5}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (Classify(model="efficientnet_lite0", **LITE0), "frozen_classify"),
        (Pairs(image="image", image_tower="efficientnet_lite0", dim=16, **LITE0), "frozen_pairs"),
        (Views(model="efficientnet_lite0", **LITE0), "frozen_views"),
    ],
)
def test_frozen_stages_come_out_as_they_went_in(shapes: Pool, operation, name: str) -> None:
    """Weights and BatchNorm's statistics alike, in the weights of the last step and in their moving average."""
    before = timm.create_model("efficientnet_lite0", num_classes=0)
    load_lite0(before)
    run = operation.learn(shapes, name=name)
    for file in ("model.safetensors", "last.safetensors"):
        after = load_file(run.path / file)
        same = {key: bool((after[f"network.{key}"] == value).all()) for key, value in before.state_dict().items()}
        early = ("conv_stem", "bn1", *(f"blocks.{stage}." for stage in range(5)))
        assert all(same[key] for key in same if key.startswith(early))
        assert not same["blocks.5.0.conv_pw.weight"]
        assert not same["blocks.6.0.bn1.running_mean"]


def test_the_projection_of_views_may_have_batchnorm(shapes: Pool) -> None:
    for norm in (False, True):
        learner = Views(model="conv_small", batch=16, projection=[32, 16], projection_norm=norm)
        task = learner.prepare(shapes, None, None).task
        kinds = {type(layer).__name__ for layer in task.get_submodule("projection").modules()}
        assert ("BatchNorm1d" in kinds) is norm


def test_views_say_what_cannot_go_well(shapes: Pool) -> None:
    said = Heard()
    shared = {"objective": "swav", "model": "conv_small", "steps": 1, "batch": 16, "projection": [16]}
    run = Views(**shared, size=64, prototypes=40, queue=8).learn(shapes, name="views_warned", on=said)
    assert any("40 prototypes share 24 vectors (0.60 for each)" in line for line in said.words)
    assert any("are smaller than views of 64 pixels" in line for line in said.words)
    curve = (run.path / "curve.csv").read_text("utf-8").splitlines()[0].split(",")
    assert {"code_entropy", "used_prototypes"} <= set(curve)
    quiet = Heard()
    Views(**shared, size=32, prototypes=16).learn(shapes, name="views_fine", on=quiet)
    assert not any("prototypes share" in line or "smaller" in line for line in quiet.words)


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (Classify(target="nothing"), MissingColumn, "needs the column 'nothing'"),
        (Classify(steps=2, batch=4000), BadInput, "larger than the"),
        (Classify(steps=2, model="resnet8_cifr"), BadInput, "did you mean"),
        (Classify(steps=2, model="conv_small", options={"se": True}), BadInput, "has no option 'se'"),
        (Classify(steps=2, views="cifr"), BadInput, "did you mean 'cifar'"),
        (Pairs(steps=2, text=["key"], image="label"), BadInput, "was not made by embed"),
        (Pairs(steps=2, accumulate=2, batch=8), BadInput, "each other's negatives"),
        (Views(steps=2, objective="g-simclr"), MissingColumn, "run: veduta annotate cluster"),
        (Pairs(steps=2, freeze=1), BadInput, "needs --image image"),
        (Views(steps=2, model="conv_small", freeze=1), BadInput, "with --pretrained"),
        (
            Classify(**{**LITE0, "freeze": 8}, model="efficientnet_lite0"),
            BadInput,
            "has 7 stages, so freeze must be 7 or",
        ),
    ],
)
def test_wrong_use_gets_one_sentence(shapes: Pool, operation, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        operation.learn(shapes, name="wrong_" + operation.operation() + str(abs(hash(str(operation))) % 999))
    assert "\n" not in str(caught.value)


def test_one_class_and_no_rows_get_their_sentence(shapes: Pool) -> None:
    with pytest.raises(BadInput, match="two classes or more"):
        Classify(steps=2).learn(shapes, where="label = 'disc'", name="one_class")
    with pytest.raises(NothingToDo, match="no row"):
        Classify(steps=2).learn(shapes, where="split = 'test'", name="test_only")
