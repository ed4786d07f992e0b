"""Schedules, averages, optimisers, samplers and recipes against their definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from veduta.errors import BadInput
from veduta.learn import length, recipes
from veduta.learn.classify import Classify
from veduta.learn.ema import EMA
from veduta.learn.optim import Larc, groups
from veduta.learn.rows import numbered
from veduta.learn.samplers.guided import Guided, expected_same_label, same_pairs
from veduta.learn.samplers.sentences import Sentences, split_sentences
from veduta.learn.schedule import factor


def test_schedules() -> None:
    cosine = [factor("cosine", step, 100, 0.1) for step in range(100)]
    assert cosine[0] == pytest.approx(1 / 11)
    assert cosine[10] == 1
    assert cosine[55] == pytest.approx((1 + math.cos(math.pi * 0.5)) / 2)
    assert [factor("step", step, 8) for step in (0, 4, 6)] == [1, 0.1, 0.01]
    assert factor("constant", 99, 100) == 1
    cycle = [factor("one-cycle", step, 100) for step in range(100)]
    assert max(cycle) <= 1
    assert cycle.index(max(cycle)) in (29, 30)
    assert cycle[-1] < 0.01


def test_the_average_follows_weights_and_statistics_and_comes_back() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ema = EMA(net, decay_images=1000)
    wanted = {k: v.clone() for k, v in net.state_dict().items()}
    for step in range(5):
        with torch.no_grad():
            net[0].weight.add_(1)
        net(torch.randn(8, 3))
        ema.update(net, 100)
        decay = min(math.exp(-0.1), (2 + step) / (11 + step))
        for name, value in net.state_dict().items():
            wanted[name] = decay * wanted[name] + (1 - decay) * value if value.is_floating_point() else value.clone()
    own = {k: v.clone() for k, v in net.state_dict().items()}
    with ema.swapped(net):
        assert all(torch.allclose(v, wanted[k], atol=1e-5) for k, v in net.state_dict().items())
    assert all((v == own[k]).all() for k, v in net.state_dict().items())
    other = EMA(net)
    other.load_state_dict(ema.state_dict())
    assert other.updates == 5


def test_only_matrices_and_kernels_decay() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    net.scale = nn.Parameter(torch.tensor(1.0))
    decayed, free = groups(net, 0.1)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert decayed["weight_decay"] == 0.1
    assert len(free["params"]) == 5
    assert free["weight_decay"] == 0


def test_larc_is_its_equation() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(3, 4))
    w, v = weight.detach().double(), torch.zeros(3, 4, dtype=torch.float64)
    optimizer = Larc([weight], lr=0.3, momentum=0.9, weight_decay=0.01)
    for seed in range(3):
        g = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))
        weight.grad = g.clone()
        optimizer.step()
        rate = 0.001 * w.norm() / (g.double().norm() + 0.01 * w.norm())
        v = 0.9 * v + rate * (g.double() + 0.01 * w)
        w = w - 0.3 * v
    assert torch.allclose(weight.detach().double(), w, atol=1e-6)


def test_guided_batches_hold_one_image_of_a_cluster() -> None:
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 9, 900)
    order = Guided(clusters, 8, seed=1)
    one, two = order.epoch(0), order.epoch(1)
    assert one.shape == (112, 8)
    assert all(len(set(clusters[batch])) == 8 for batch in one)
    assert not (one == two).all()
    assert (one == Guided(clusters, 8, seed=1).epoch(0)).all()
    facts = order.report(labels=clusters // 3)
    assert facts["same_cluster_pairs"] == 0
    assert facts["unused"] < 45


def test_the_expected_rate_of_same_label_pairs_is_the_measured_one() -> None:
    """Exact for equal clusters with a batch of all of them; a wide batch of many epochs comes near."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 2000)
    clusters = np.where(rng.random(2000) < 0.6, labels, rng.integers(0, 5, 2000))
    order = Guided(clusters, 5, seed=0)
    measured = np.mean([same_pairs(order.epoch(e), labels) for e in range(8)])
    assert measured == pytest.approx(expected_same_label(clusters, labels), abs=0.01)
    random = np.random.default_rng(1).permutation(2000).reshape(400, 5)
    assert measured < same_pairs(random, labels)


def test_too_few_clusters_get_a_sentence() -> None:
    with pytest.raises(BadInput, match="--batch 3 or less"):
        Guided(np.array([0, 1, 2, 0, 1, 2]), 4)
    with pytest.raises(BadInput, match="two clusters"):
        Guided(np.zeros(6, int), 2)


def test_numbers_of_values() -> None:
    assert numbered(["b", "a", None, "b", None]).tolist() == [0, 1, 2, 0, 3]
    assert numbered([("row", 1), None]).tolist() == [0, 1]


def test_sentences() -> None:
    text = "No acute disease. OK. Heart size is normal!\nLungs are clear"
    assert split_sentences(text) == ["No acute disease.", "Heart size is normal!", "Lungs are clear"]
    assert split_sentences("two words") == ["two words"]
    draws = Sentences([["a", "b", "c"], ["only"]], seed=3)
    assert {draws.draw(0, epoch) for epoch in range(40)} == {"a", "b", "c"}
    assert draws.draw(0, 7) == Sentences([["a", "b", "c"]], seed=3).draw(0, 7)
    assert draws.draw(1, 7) == "only"


def test_lengths() -> None:
    assert length.seconds("1h30m") == 5400
    assert length.seconds("90s") == 90
    for wrong in ("ten", "10", "", "0m", "-3s"):
        with pytest.raises(BadInput, match="budget must be"):
            length.seconds(wrong)


def test_a_budget_keeps_room_for_validations_and_the_end() -> None:
    assert length.Budget(100, 10).steps(spent=7, step=0.5) == 160
    assert length.Budget(100, 1000).steps(spent=7, step=0.5) == 120
    assert length.Budget(100, 0).steps(spent=200, step=0.5) == 1


@pytest.mark.parametrize(("step", "steps"), [(0.1, 870), (0.45, None), (0.5, None), (0.65, None), (1.0, 87)])
def test_a_budget_is_revised_where_steps_take_another_time(step: float, steps: int | None) -> None:
    budget = length.Budget(100, 0)
    for look in range(2):
        for _ in range(100):
            budget.took(step)
        assert budget.revised(spent=10, left=180, steps=200) == (steps if look else None)
    assert budget.revised(spent=26, left=180, steps=200) is None


def test_a_budget_is_not_revised_by_a_few_steps_unless_they_are_the_last() -> None:
    budget = length.Budget(100, 0)
    budget.took(0.1)
    assert budget.revised(spent=1, left=180, steps=200) is None
    assert budget.revised(spent=7, left=0, steps=200) == 900
    enough = length.Budget(100, 0, most=200)
    enough.took(0.1)
    assert enough.revised(spent=7, left=0, steps=200) is None


def test_recipes(tmp_path) -> None:
    for name in recipes.names():
        text = (recipes.files(recipes.__name__) / f"{name}.yaml").read_text()
        assert text.startswith("#")
    own = tmp_path / "mine.yaml"
    own.write_text("classify:\n  lr: 0.02\n  epochs: 3\n")
    assert Classify(recipe=str(own)).lr == 0.02
    assert Classify(recipe=str(own), lr=0.5).lr == 0.5
    assert Classify(recipe=str(own), budget="5m").epochs is None
    own.write_text("classify:\n  learning_rte: 0.02\n")
    with pytest.raises(BadInput, match="no parameter 'learning_rte'"):
        Classify(recipe=str(own))
    own.write_text("- classify\n")
    with pytest.raises(BadInput, match="must be a mapping"):
        Classify(recipe=str(own))
    with pytest.raises(BadInput, match="cannot be read"):
        Classify(recipe=str(tmp_path / "none.yaml"))
    with pytest.raises(BadInput, match="one of steps, epochs and budget"):
        Classify(steps=3, epochs=2)


def test_a_ladder_adds_up_to_a_rung(tmp_path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("classify:\n  - plain: {lr: 0.02, epochs: 3}\n  - long: {epochs: 9}\n  - smooth: {ema: true}\n")
    assert (Classify(recipe=f"{own}:plain").epochs, Classify(recipe=f"{own}:long").epochs) == (3, 9)
    assert Classify(recipe=f"{own}:smooth") == Classify(recipe=f"{own}:smooth", lr=0.02, epochs=9, ema=True)
    assert Classify(recipe=f"{own}:long", lr=0.5).lr == 0.5
    assert Classify(recipe=str(own)).epochs == 9
    with pytest.raises(BadInput, match="has no rung 'longer' \\(it has: plain, long, smooth\\)"):
        Classify(recipe=f"{own}:longer")
    with pytest.raises(BadInput, match="has no rungs; leave out ':ema'"):
        Classify(recipe="resnet-rs:ema")
    own.write_text("classify:\n  - plain: 3\n")
    with pytest.raises(BadInput, match="or a list of rungs"):
        Classify(recipe=str(own))


def test_the_ladder_of_resnet_rs() -> None:
    """The additive study: each rung changes what its name says, and nothing else."""
    rungs = (
        "baseline", "cosine", "epochs", "ema", "label-smoothing", "stochastic-depth", "randaugment", "dropout", "weight-decay",
        "se", "resnet-d",
    )  # fmt: skip
    made = [Classify(recipe=f"resnet-rs-ladder:{rung}").parameters() for rung in rungs]
    changed = [{key for key in after if after[key] != before[key]} - {"recipe"} for before, after in pairwise(made)]
    assert changed == [
        {"schedule"}, {"epochs", "warmup"}, {"ema"}, {"label_smoothing"}, {"drop_path"}, {"views"}, {"drop"}, {"weight_decay"},
        {"options"}, {"options"},
    ]  # fmt: skip
    advised = [rung for rung in rungs if Classify(recipe=f"resnet-rs-ladder:{rung}").advice()]
    assert advised == ["randaugment", "dropout"]


def test_advice_on_regularisers() -> None:
    many = {"optimizer": "sgd", "label_smoothing": 0.1, "drop": 0.1, "views": "cifar-randaugment"}
    (said,) = Classify(**many, weight_decay=1e-4).advice()
    assert "a weight decay of 0.0001 together with 3 regularisers" in said
    assert not Classify(**many, weight_decay=9e-5).advice()
    assert not Classify(**{**many, "drop": 0.0}, weight_decay=1e-4).advice()
    assert not Classify(**{**many, "optimizer": "adamw"}).advice()
    for short in ({"drop": 0.25}, {"drop_path": 0.1}):
        (said,) = Classify(**short, epochs=10).advice()
        assert "this one has 10 epochs" in said
        assert not Classify(**short, epochs=30).advice()
        assert not Classify(**short).advice()
    assert not Classify(drop=0.2, epochs=10).advice()
