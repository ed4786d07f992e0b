from __future__ import annotations

import math

import numpy as np
import pytest

from veduta.encode.conse import conse, posterior
from veduta.encode.vocabulary import imagenet_names, imagenet_synsets


@pytest.mark.parametrize(("top", "temperature"), [(1, 1.0), (3, 1.0), (3, 2.0), (99, 0.5)])
def test_conse_is_the_equation(top: int, temperature: float) -> None:
    """Loops written from Norouzi et al. 2014, section 3.2: f(x) = 1/Z sum_t p(y(x, t) | x) s(y(x, t))."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 7)).astype(np.float32) * 3
    words = rng.normal(size=(7, 4)).astype(np.float32)
    found = conse(logits, words, top, temperature)
    for row, scores in enumerate(logits):
        heat = [math.exp(score / temperature) for score in scores]
        chance = [each / sum(heat) for each in heat]
        best = sorted(range(7), key=lambda label: -chance[label])[:top]
        total = sum(chance[label] for label in best)
        vector = [sum(chance[label] * words[label][d] for label in best) / total for d in range(4)]
        norm = math.sqrt(sum(each * each for each in vector))
        assert np.allclose(found[row], [each / norm for each in vector], atol=1e-5)


def test_posterior_survives_large_logits() -> None:
    assert np.allclose(posterior(np.array([[1e4, 0, -1e4]], np.float32)), [[1, 0, 0]])


def test_a_row_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(1)
    logits, words = rng.normal(size=(9, 40)).astype(np.float32), rng.normal(size=(40, 16)).astype(np.float32)
    assert conse(logits, words)[4:5].tobytes() == conse(logits[4:5], words).tobytes()


def test_class_names_are_unique_and_in_order() -> None:
    names = imagenet_names()
    assert len(names) == len({name.lower() for name in names}) == len(imagenet_synsets()) == 1000
    assert names[0] == "tench"
    assert names[207] == "golden retriever"
    assert imagenet_synsets()[207] == "n02099601"
