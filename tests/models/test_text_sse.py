import math

import pytest
import torch

from veduta.models.text.sse import SSE

WORDS = ["a", "dog", "runs", "on", "the", "beach", "red", "car"]
TEXTS = ["a dog runs on the beach", "car", "red car", "a red car", "the unseen dog", "a a a a a a a a a"]


@torch.no_grad()
def by_loops(tower, text):
    """The equations, one phrase at a time."""
    words = [w for w in text.split() if w in tower.words]
    vectors = [tower.table.weight[tower.words.index(w) + 1] for w in words]
    phrases, scores = [], []
    for n, layer in zip(tower.windows, tower.phrases, strict=True):
        for i in range(len(words) - n + 1):
            joined = torch.cat(vectors[i : i + n])
            phrases.append(torch.tanh(layer.weight @ joined + layer.bias))
            r = 0.5 if len(words) == 1 else (i + (n - 1) / 2) / (len(words) - 1)
            place = r * 4
            low = min(int(place), 3)
            left, right = float(tower.knots[low]), float(tower.knots[low + 1])
            scores.append(left + (right - left) * (place - low))
    total = sum(math.exp(s) for s in scores)
    mean = sum(p * (math.exp(s) / total) for p, s in zip(phrases, scores, strict=True))
    return tower.last.weight @ mean + tower.last.bias


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = SSE(WORDS, 7).eval()
    torch.nn.init.normal_(tower.knots)
    return tower


def test_against_loops(tower):
    found = tower(tower.tokens(TEXTS))
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(found[row], by_loops(tower, text), atol=1e-5, rtol=1e-5)


def test_weights_start_as_a_plain_mean():
    tower = SSE(WORDS, 3)
    assert not tower.knots.any()
    assert tower.knots.shape == (5,)


def test_positions_matter(tower):
    """Same bag of words, other order."""
    first, second = tower(tower.tokens(["red dog a car", "a car red dog"]))
    assert not torch.allclose(first, second)
    only = SSE(WORDS, 7, windows=(1,)).eval()
    one, two = only(only.tokens(["red dog car", "car dog red"]))
    torch.testing.assert_close(one, two)
    torch.nn.init.normal_(only.knots)
    one, two = only(only.tokens(["red dog car", "car dog red"]))
    assert not torch.allclose(one, two)


def test_neighbours_in_the_batch_do_not_matter(tower):
    alone = torch.cat([tower(tower.tokens([text])) for text in TEXTS])
    torch.testing.assert_close(tower(tower.tokens(TEXTS)), alone)


def test_short_texts_leave_no_weight_without_a_gradient(tower):
    tower(tower.tokens(["car", "dog"])).sum().backward()
    assert all(p.grad is not None for p in tower.parameters())
    assert tower.phrases[0].weight.grad.any()
    assert not tower.phrases[2].weight.grad.any()


def test_words_after_the_64th_are_cut(tower):
    long = " ".join(["a"] * 64)
    assert torch.equal(tower(tower.tokens([long])), tower(tower.tokens([long + " dog car"])))
