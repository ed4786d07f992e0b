import copy
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

from veduta.encode.text import MiniLM
from veduta.errors import BadInput
from veduta.models.text.build import build_text, fit_text
from veduta.models.text.package import folder

TEXTS = [
    "a brown dog runs on the beach", "dog", "A photograph of two children who play football in front of a red building.",
    "supercalifragilistic!", "red car", "a man rides a wave on a surfboard", "two cats", "snow", "a bowl of soup",
    "an old map of the world, printed on paper", "the sea",
]  # fmt: skip


@pytest.fixture(scope="module")
def frozen():
    return build_text("minilm", {})


@pytest.fixture(scope="module")
def half():
    return build_text("minilm", {"frozen": 0.5})


def by_hand(text, pooling):
    """BERT's equations in float64 for one text, with the published tensors."""
    given = {
        k: v.astype(np.float64)
        for k, v in load_file(str(folder("a test") / "model.safetensors")).items()
        if v.dtype != np.int64
    }
    ids = Tokenizer.from_file(str(folder("a test") / "tokenizer.json")).encode(text)
    ids = [number for number, real in zip(ids.ids, ids.attention_mask) if real]

    def linear(x, name):
        return x @ given[f"{name}.weight"].T + given[f"{name}.bias"]

    def norm(x, name):
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-12) * given[f"{name}.weight"] + given[f"{name}.bias"]

    x = given["embeddings.word_embeddings.weight"][ids]
    x = x + given["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + given["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for number in range(6):
        layer = f"encoder.layer.{number}"
        q, k, v = (linear(x, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for h in range(12):
            part = slice(32 * h, 32 * h + 32)
            score = np.exp(q[:, part] @ k[:, part].T / np.sqrt(32))
            mixed[:, part] = score / score.sum(1, keepdims=True) @ v[:, part]
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = linear(x, f"{layer}.intermediate.dense")
        wide = wide * 0.5 * (1 + erf(wide / np.sqrt(2)))
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x.mean(0) if pooling == "mean" else x.max(0)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_against_the_equations(pooling, share):
    tower = build_text("minilm", {"frozen": share, "pooling": pooling}).eval()
    with torch.no_grad():
        found = tower(tower.tokens(TEXTS[:4])).numpy()
    for row, text in enumerate(TEXTS[:4]):
        np.testing.assert_allclose(found[row], by_hand(text, pooling), atol=2e-5)


def test_frozen_vectors_are_the_offline_encoders(frozen):
    vectors = torch.nn.functional.normalize(frozen(frozen.tokens(TEXTS)), dim=1).numpy()
    np.testing.assert_allclose(vectors, MiniLM().text(TEXTS), atol=1e-5)


def test_frozen_vectors_do_not_depend_on_the_texts_beside_them(frozen):
    """To the last bit: a run that goes on meets its texts in other company."""
    truth = frozen.tokens(TEXTS)["vectors"]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(TEXTS))[: 3 + 2 * seed]
        frozen._vectors.clear()
        found = frozen.tokens([TEXTS[i] for i in order])["vectors"]
        assert torch.equal(found, truth[torch.from_numpy(order)])


def test_frozen_costs_nothing_twice(frozen):
    frozen.tokens(TEXTS)
    passes = []
    hook = frozen._inner[0].register_forward_hook(lambda *_: passes.append(1))
    frozen.tokens([*TEXTS, TEXTS[0]])
    assert passes == []
    frozen.tokens(["a text that is new"])
    hook.remove()
    assert passes == [1]


def test_frozen_has_nothing_to_train_save_or_draw(frozen):
    assert list(frozen.parameters()) == []
    assert frozen.state_dict() == {}
    assert not frozen.tokens(["dog"])["vectors"].requires_grad
    torch.manual_seed(0)
    before = torch.get_rng_state()
    build_text("minilm", {"frozen": 0.5})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.34, 2), (0.5, 3)])
def test_what_is_frozen_gets_no_gradient(share, held):
    tower = build_text("minilm", {"frozen": share}).train()
    tower(tower.tokens(TEXTS[:3])).square().sum().backward()
    for name, parameter in tower.named_parameters():
        below = not name.startswith("layers.") or int(name.split(".")[1]) < held
        if share and below:
            assert parameter.grad is None, name
        elif name.endswith("key.bias"):
            # A shift of all keys moves no softmax: zero but for rounding.
            assert parameter.grad.abs().max() < 1e-4, name
        else:
            assert parameter.grad.abs().sum() > 0, name


def test_half_round_trip(half):
    again = build_text("minilm", json.loads(json.dumps(half.config())))
    with torch.no_grad():
        for parameter in half.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    again.load_state_dict(half.state_dict())
    tokens = half.tokens(TEXTS)
    assert torch.equal(half(tokens), again(again.tokens(TEXTS)))


def test_unknown_texts_have_no_vector(frozen, half):
    texts = ["", "dog", "🙂", "   "]
    for tower in (frozen, half):
        assert tower.unknown(texts).tolist() == [True, False, True, True]
        vectors = tower(tower.tokens(texts))
        assert [bool(row.any()) for row in vectors] == [False, True, False, False]


def test_long_texts_are_cut(half):
    assert half.tokens(["word " * 1000])["ids"].shape == (1, 256)


def test_copies(half, frozen):
    for tower in (half, frozen):
        for other in (copy.deepcopy(tower), pickle.loads(pickle.dumps(tower))):
            assert torch.equal(other(other.tokens(TEXTS[:2])), tower(tower.tokens(TEXTS[:2])))


def test_fitted_by_name():
    tower = fit_text("minilm", ["any"], 64, frozen=0.5, pooling="max")
    assert (tower.dim, tower.config()) == (384, {"frozen": 0.5, "pooling": "max"})


@pytest.mark.parametrize(
    ("config", "says"),
    [({"frozen": 1.5}, "in [0, 1], got 1.5"), ({"pooling": "first"}, "mean or max, got 'first'")],
)
def test_bad_options(config, says):
    with pytest.raises(BadInput) as error:
        build_text("minilm", config)
    assert says in str(error.value)


def test_the_frozen_tower_forgets_when_told_and_says_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tower = build_text("minilm", {})
    first = tower(tower.tokens(TEXTS))
    tower.forget()
    assert set(TEXTS) <= set(tower._vectors)  # few enough to keep
    monkeypatch.setattr("veduta.models.text.minilm.KEPT", 3)
    tower.forget()
    assert not tower._vectors
    assert torch.equal(tower(tower.tokens(TEXTS[::-1])).flip(0), first)
