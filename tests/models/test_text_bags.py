import math

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from veduta.errors import BadInput
from veduta.models.text import bags
from veduta.models.text.bags import BagTower, fit_bag, grams
from veduta.models.text.words import words_of

TEXTS = [
    "a brown dog runs on the beach", "a dog on a red car", "the red car is fast", "two dogs and a cat", "a cat on the beach",
    "a brown cat runs", "the fast brown dog runs on the beach", "the red red car",
]  # fmt: skip
QUERIES = [*TEXTS, "a purple dog", "red red red", "beach the on runs dog", "dog"]


@pytest.mark.parametrize("name", ["bow", "ngram:2", "ngram:3", "ngram:3+skip"])
def test_features_are_scikit_learns(name):
    order = 1 if name == "bow" else int(name[6])
    fitted = fit_bag(name, TEXTS, 4)
    reference = TfidfVectorizer(
        analyzer=lambda text: grams(words_of(text), order, "skip" in name), vocabulary=fitted["vocabulary"]
    ).fit(TEXTS)
    tower = BagTower(**fitted)
    expected = reference.transform(QUERIES).toarray()
    found = np.zeros_like(expected)
    for row, text in enumerate(QUERIES):
        for number, weight in tower.features(text).items():
            found[row, number] = weight
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bags_of_words_are_scikit_learns_own_words():
    reference = TfidfVectorizer(token_pattern=r"\w+").fit(TEXTS)
    twice = {w for w in reference.get_feature_names_out() if sum(t.split().count(w) for t in TEXTS) >= 2}
    assert set(fit_bag("bow", TEXTS, 4)["vocabulary"]) == twice


def test_grams_by_loops():
    words = ["a", "b", "c", "d", "e"]
    found = grams(words, 3, True)
    expected = set(words)
    for i in range(5):
        for j in range(i + 1, 5):
            if j - i == 1:
                expected.add(f"{words[i]} {words[j]}")
            if j - i in (2, 3):
                # Two words with one or two others skipped.
                expected.add(f"{words[i]} _ {words[j]}")
        if i + 2 < 5:
            expected.add(" ".join(words[i : i + 3]))
    assert sorted(found) == sorted(expected)
    assert grams(["a"], 3, True) == ["a"]
    assert grams([], 2, True) == []


def test_forward_is_the_two_layers_on_the_features():
    tower = BagTower(**fit_bag("ngram:2", TEXTS, 5)).eval()
    dense = torch.zeros(len(QUERIES), len(tower.idf))
    for row, text in enumerate(QUERIES):
        for number, weight in tower.features(text).items():
            dense[row, number] = weight
    hidden = torch.relu(dense @ tower.first.weight + tower.bias)
    expected = hidden @ tower.second.weight.T + tower.second.bias
    torch.testing.assert_close(tower(tower.tokens(QUERIES)), expected, atol=1e-5, rtol=1e-4)


def test_order_matters_to_ngrams_only():
    for name, same in (("bow", True), ("ngram:2", False), ("ngram:3+skip", False)):
        tower = BagTower(**fit_bag(name, TEXTS, 4))
        assert (tower.features("dog runs on") == tower.features("on runs dog")) is same


def test_many_features_are_hashed():
    """70,000 pairs of words, each twice: buckets with signs, and unknown words stay unknown."""
    rng = np.random.default_rng(0)
    pairs = {tuple(p) for p in rng.integers(0, 300, (130_000, 2)).tolist()}
    texts = [f"w{a} w{b}" for a, b in sorted(pairs)] * 2
    fitted = fit_bag("ngram:2", texts, 4)
    assert fitted["hashed"]
    assert len(fitted["idf"]) == 65_536
    assert len(fitted["vocabulary"]) == 300
    tower = BagTower(**fitted)
    assert tower.unknown(["w1 w2", "nothing known", "w1 nothing", "w299"]).tolist() == [False, True, False, False]
    assert not tower(tower.tokens(["nothing known"])).any()
    assert tower.features("w1 nothing") == tower.features("w1")
    weights = tower.features("w1 w2 w3")
    assert sum(v * v for v in weights.values()) == pytest.approx(1)
    numbers = [bags._bucket(gram) for gram in ("w1", "w2", "w3", "w1 w2", "w2 w3")]
    assert set(weights) == {number for number, _ in numbers}
    assert all((weights[number] > 0) == (sign > 0) for number, sign in numbers)
    signs = [bags._bucket(f"w{i}")[1] for i in range(300)]
    assert 100 < sum(sign > 0 for sign in signs) < 200
    # A bucket's idf is that of the texts that hold any of its grams.
    bucket = bags._bucket("w7")[0]
    holders = sum(any(bags._bucket(g)[0] == bucket for g in grams(t.split(), 2, False)) for t in texts)
    assert fitted["idf"][bucket] == pytest.approx(math.log((1 + len(texts)) / (1 + holders)) + 1, abs=1e-6)


@pytest.mark.parametrize("name", ["ngram:0", "ngram:6", "ngram:two", "ngram:3+jump", "ngram:3+", "ngram:"])
def test_bad_orders(name):
    with pytest.raises(BadInput) as error:
        fit_bag(name, TEXTS, 4)
    assert f"ngram:N or ngram:N+skip with N from 1 to 5, got '{name}'" in str(error.value)


def test_nothing_twice():
    with pytest.raises(BadInput, match="nothing occurs twice in the 2 training texts"):
        fit_bag("bow", ["one two", "three"], 4)
