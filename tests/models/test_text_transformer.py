import pytest
import torch

from veduta.errors import BadInput
from veduta.models.text.transformer import Transformer

WORDS = ["a", "dog", "runs", "on", "the", "beach", "red", "car"]
TEXTS = ["a dog runs on the beach", "car", "red car", "the red dog the red dog the red dog"]
OPTIONS = {"width": 32, "layers": 2, "heads": 4}


@torch.no_grad()
def by_loops(tower, text, heads):
    """Pre-norm blocks written out for one text."""
    ids = torch.tensor([1, *[3 + tower.words.index(w) for w in text.split()], 2])
    length, width = len(ids), tower.table.weight.shape[1]
    x = tower.table.weight[ids] + tower.places[:length]
    for block in tower.body.layers:
        y = block.norm1(x)
        q, k, v = (y @ block.self_attn.in_proj_weight.T + block.self_attn.in_proj_bias).split(width, dim=1)
        mixed = torch.zeros(length, width)
        size = width // heads
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            for i in range(length):
                last = i + 1 if tower.causal else length
                share = torch.softmax(k[:last, part] @ q[i, part] / size**0.5, 0)
                mixed[i, part] = share @ v[:last, part]
        x = x + mixed @ block.self_attn.out_proj.weight.T + block.self_attn.out_proj.bias
        x = x + block.linear2(torch.nn.functional.gelu(block.linear1(block.norm2(x))))
    x = tower.norm(x)
    return (x[-1] if tower.causal else x.mean(0)) @ tower.last.weight.T


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_against_loops(causal, training):
    torch.manual_seed(0)
    tower = Transformer(WORDS, 6, causal=causal, **OPTIONS).train(training)
    with torch.no_grad():
        found = tower(tower.tokens(TEXTS))
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(found[row], by_loops(tower, text, 4), atol=1e-5, rtol=1e-4)


def test_clips_start():
    torch.manual_seed(0)
    width, layers = 256, 4
    tower = Transformer(WORDS * 50, 128, width=width, layers=layers, heads=4)
    into = width**-0.5 * (2 * layers) ** -0.5
    block = tower.body.layers[2]
    expected = {
        "words": (tower.table.weight[1:], 0.02), "places": (tower.places, 0.01),
        "attention": (block.self_attn.in_proj_weight, width**-0.5), "out": (block.self_attn.out_proj.weight, into),
        "up": (block.linear1.weight, (2 * width) ** -0.5), "down": (block.linear2.weight, into),
        "projection": (tower.last.weight, width**-0.5),
    }  # fmt: skip
    for name, (weight, std) in expected.items():
        assert float(weight.detach().std()) == pytest.approx(std, rel=0.03), name
    assert not tower.table.weight[0].any()
    # Blocks are independent draws, not copies.
    assert not torch.equal(tower.body.layers[0].linear1.weight, tower.body.layers[1].linear1.weight)


def test_spelled_words_have_vectors():
    tower = Transformer(WORDS, 6, letters=["^z", "o", "p"], **OPTIONS).eval()
    vectors = tower(tower.tokens(["zoo", "zop", "qqq", "zoo car"]))
    assert tower.unknown(["zoo", "zop", "qqq", ""]).tolist() == [False, False, True, True]
    assert not vectors[2].any()
    assert not torch.allclose(vectors[0], vectors[1])


def test_width_must_suit_the_heads():
    with pytest.raises(BadInput, match="multiple of its heads, got 30 and 4"):
        Transformer(WORDS, 4, width=30, heads=4)
