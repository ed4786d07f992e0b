"""What all text towers have in common."""

import json

import pytest
import torch
from safetensors.torch import load, save

from veduta.errors import BadInput
from veduta.models.text.build import build_text, fit_text

TEXTS = [
    "a brown dog runs on the beach", "a dog on a red car", "the red car is fast", "two dogs and a cat", "a cat on the beach",
    "a brown cat runs", "the fast brown dog runs on the beach", "Ein roter Wagen", "der rote Wagen",
]  # fmt: skip
TOWERS = [
    ("bow", {}),
    ("ngram:2", {}),
    ("ngram:3+skip", {"drop": 0.0}),
    ("sse", {}),
    ("transformer", {"width": 32, "layers": 2}),
    ("transformer", {"width": 32, "layers": 2, "causal": False}),
    ("minilm", {"frozen": 0.5}),
    ("minilm", {}),
]
UNKNOWN = ["qqq xxx", "", "🙂"]


@pytest.fixture(params=TOWERS, ids=lambda given: f"{given[0]}{given[1] or ''}")
def tower(request):
    torch.manual_seed(0)
    name, options = request.param
    return name, fit_text(name, TEXTS, 12, **options)


def test_round_trip_is_bit_identical(tower):
    name, first = tower
    config = json.loads(json.dumps(first.config()))
    weights = load(save({key: value.contiguous() for key, value in first.state_dict().items()}))
    second = build_text(name, config)
    second.load_state_dict(weights)
    first.eval(), second.eval()
    queries = [*TEXTS, "a red dog", *UNKNOWN]
    tokens, again = first.tokens(queries), second.tokens(queries)
    assert tokens.keys() == again.keys()
    assert all(torch.equal(tokens[key], again[key]) for key in tokens)
    with torch.no_grad():
        assert torch.equal(first(tokens), second(again))
    assert second.config() == first.config()


def test_vectors(tower):
    name, first = tower
    first.eval()
    with torch.no_grad():
        vectors, again = first(first.tokens(TEXTS)), first(first.tokens(TEXTS))
    assert vectors.shape == (len(TEXTS), first.dim)
    assert first.dim == (384 if name == "minilm" else 12)
    assert vectors.dtype == torch.float32
    assert torch.equal(vectors, again)
    assert torch.isfinite(vectors).all()
    with torch.no_grad():
        alone = torch.cat([first(first.tokens([text])) for text in TEXTS])
    torch.testing.assert_close(vectors, alone, atol=1e-5, rtol=1e-4)
    assert first(first.tokens([])).shape == (0, first.dim)


def test_unknown_texts_are_flagged_and_zero(tower):
    name, first = tower
    first.eval()
    queries = ["a dog", "", "🙂"] if name == "minilm" else ["a dog", *UNKNOWN]
    with torch.no_grad():
        vectors = first(first.tokens(queries))
        assert not first(first.tokens(queries[1:])).any()
    assert first.unknown(queries).tolist() == [False] + [True] * (len(queries) - 1)
    assert vectors[0].any()
    assert not vectors[1:].any()


def test_gradients_reach_every_trainable_weight(tower):
    _, first = tower
    trainable = [(key, p) for key, p in first.named_parameters() if p.requires_grad]
    if not trainable:
        return
    first.train()
    first(first.tokens(TEXTS)).square().sum().backward()
    bare = [key for key, p in trainable if p.grad is None or not p.grad.abs().sum()]
    assert bare == []
    assert all(p.grad is None for p in first.parameters() if not p.requires_grad)


def test_learns_to_tell_texts_apart(tower):
    """Twelve steps towards one vector a text: the loss falls."""
    name, first = tower
    if name == "minilm":
        return
    first.train()
    goal = torch.eye(len(TEXTS), 12)
    optimiser = torch.optim.Adam(first.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        loss = (first(first.tokens(TEXTS)) - goal).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_vocabulary_is_of_the_training_texts(tower):
    name, first = tower
    if name in ("minilm", "transformer"):
        return
    known = first.unknown(["beach", "wagen", "rote", "surfboard"])
    # "rote" occurs once, "surfboard" never.
    assert known.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("texts", "says"),
    [("dog", "a list of strings, got the string 'dog'"), (["dog", None], "text 1 must be a string, got None")],
)
def test_bad_texts(tower, texts, says):
    _, first = tower
    for ask in (first.tokens, first.unknown):
        with pytest.raises(BadInput) as error:
            ask(texts)
        assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("miniln", {}, "did you mean 'minilm'? (there are: minilm, bow"),
        ("bow", {"width": 3}, "the text tower 'bow' has no option 'width' (it has: drop)"),
        ("sse", {"words": ["x"]}, "has no option 'words' (it has: windows)"),
        ("minilm", {"layers": 3}, "has no option 'layers' (it has: frozen, pooling)"),
        ("ngram:9", {}, "with N from 1 to 5, got 'ngram:9'"),
    ],
)
def test_bad_names_and_options(name, options, says):
    with pytest.raises(BadInput) as error:
        fit_text(name, TEXTS, 8, **options)
    assert says in str(error.value)


def test_bad_training_texts():
    with pytest.raises(BadInput, match="text 0 must be a string"):
        fit_text("bow", [None], 8)
    with pytest.raises(BadInput, match="1 dimension or more, got 0"):
        fit_text("bow", TEXTS, 0)
    with pytest.raises(BadInput, match="no word occurs 2 times"):
        fit_text("sse", ["one", "two"], 8)
