from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import hypergeom

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.encode import shared
from veduta.errors import BadInput, EncoderError, MissingColumn, NothingToDo, SpaceMismatch
from veduta.judge.cross_ranking import cross_retrieval
from veduta.judge.cross_retrieve import CrossRetrieve
from veduta.judge.cross_retrieve import encoded as encode_texts


def vectors(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("score", ["cosine", "dot"])
@pytest.mark.parametrize("grouped", [False, True])
def test_ranks_are_those_of_a_loop(score: str, grouped: bool):
    images, texts = vectors(300, 8, 0), vectors(700, 8, 1)
    rng = np.random.default_rng(2)
    owner = rng.integers(0, 250, 700)  # fifty images have no text of their own
    groups = rng.integers(0, 100, 300) if grouped else None
    found = cross_retrieval(images, texts, owner, groups=groups, score=score)
    same = np.arange(300) if groups is None else groups
    table = images @ texts.T
    if score == "cosine":
        table /= np.linalg.norm(images, axis=1)[:, None] * np.linalg.norm(texts, axis=1)[None]
    there, back = found.text_to_image, found.image_to_text
    assert there.queries.tolist() == list(range(700))
    for j in range(0, 700, 7):
        order = np.argsort(-table[:, j], kind="stable")
        places = [place for place, i in enumerate(order, 1) if same[i] == same[owner[j]]]
        assert there.rank[j] == places[0]
        assert there.relevant[j] == len(places)
        assert there.top[j].tolist() == order[:5].tolist()
        assert there.units[j] == owner[j]
    wanted = set(same[owner].tolist())
    assert back.queries.tolist() == [i for i in range(300) if same[i] in wanted]
    for at in range(0, len(back.queries), 7):
        order = np.argsort(-table[back.queries[at]], kind="stable")
        places = [place for place, j in enumerate(order, 1) if same[owner[j]] == same[back.queries[at]]]
        assert back.rank[at] == places[0]
        assert back.top[at].tolist() == order[:5].tolist()
    for direction in (there, back):
        assert direction.recall(5) == np.mean([rank <= 5 for rank in direction.rank])
        assert direction.median() == np.median(direction.rank)
        chances = [1 - hypergeom(direction.searched, t, 10).pmf(0) for t in direction.relevant]
        assert direction.by_chance(10) == pytest.approx(np.mean(chances))
        firsts = direction.top[:, 0].tolist()
        hub, share = direction.hub()
        assert share == max(firsts.count(i) for i in set(firsts)) / len(firsts) == firsts.count(hub) / len(firsts)
        assert direction.reached() == len(set(firsts)) / direction.searched


def test_a_collapsed_space_scores_what_chance_does():
    same = np.ones((40, 4), np.float32)
    found = cross_retrieval(same, same, np.arange(40))
    for direction in (found.text_to_image, found.image_to_text):
        assert direction.recall(1) == 1 / 40 == pytest.approx(direction.by_chance(1))
        assert direction.recall(10) == 10 / 40
        assert direction.hub() == (0, 1.0)
    perfect = cross_retrieval(np.eye(6, dtype=np.float32), np.eye(6, dtype=np.float32)[[0, 0, 3]], np.array([0, 0, 3]))
    assert perfect.text_to_image.recall(1) == 1
    assert perfect.image_to_text.queries.tolist() == [0, 3]
    assert perfect.image_to_text.rank.tolist() == [1, 1]
    assert perfect.text_to_image.by_chance(99) == 1


def test_intervals_keep_the_texts_of_an_image_together():
    """Five copies of each text say no more than one: the interval must not shrink."""
    images = vectors(120, 6, 0)
    texts = images + 0.9 * vectors(120, 6, 1)
    once = cross_retrieval(images, texts, np.arange(120)).text_to_image
    owner = np.tile(np.arange(120), 5)
    five = cross_retrieval(images, texts[owner], owner).text_to_image
    assert five.recall(1) == once.recall(1)

    def width(direction, seed: int) -> float:
        low, high = direction.interval(lambda ranks: float((ranks <= 1).mean()), np.random.default_rng(seed))
        assert low < direction.recall(1) < high
        return high - low

    p = once.recall(1)
    assert width(once, 0) == pytest.approx(3.92 * np.sqrt(p * (1 - p) / 120), rel=0.15)
    assert width(five, 0) == pytest.approx(width(once, 0), rel=0.05)
    uneven = cross_retrieval(images, texts[[0, 0, 0, 1, 2]], np.array([0, 0, 0, 1, 2])).text_to_image
    seen = set()
    uneven.interval(lambda ranks: seen.add(len(ranks)) or 0.0, np.random.default_rng(0), 50)
    assert seen <= {3, 5, 7, 9}


def test_wrong_shapes_are_refused():
    images, texts = vectors(4, 3, 0), vectors(5, 3, 1)
    for wrong, words in (
        ((images, texts[:, :2], np.zeros(5, int)), "same d"),
        ((images, texts, np.zeros(4, int)), "owner"),
        ((images, texts, np.full(5, 4)), "owner"),
        ((images, np.full_like(texts, np.nan), np.zeros(5, int)), "finite"),
    ):
        with pytest.raises(BadInput, match=words):
            cross_retrieval(*wrong)
    with pytest.raises(BadInput, match="groups"):
        cross_retrieval(images, texts, np.zeros(5, int), groups=np.zeros(5, int))


WORDS = ["a red bus", "a tabby cat", "an acoustic guitar", "a cup of espresso", "a lighthouse by the sea", "a pizza"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    files, fields = {}, {}
    for i in range(12):
        files[f"{i:02d}"] = encoded(picture(i, (64, 48)), "PNG")
        captions = [[f"{WORDS[i % 6]}, number {i}", WORDS[i % 6]], [WORDS[i % 6]], ["  "], None][
            min(i // 4, 3) if i < 11 else 3
        ]
        fields[f"{i:02d}"] = {
            "captions": captions,
            "title": WORDS[i % 6] if i else "",
            "kind": WORDS[i % 6],
            "size": 0.5,
        }
    made = veduta.create(tmp_path_factory.mktemp("cross") / "p.vd")
    made.ingest(Given(files, fields, title=pa.string(), kind=pa.string(), size=pa.float32()), annotators=[Embed()])
    return Path(made.path)


def test_cross_retrieval_on_a_pool(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    asked = CrossRetrieve(k=[1, 3])
    crossed = asked.measure(pool)
    assert crossed.column == "embedding_text"
    assert crossed.rows.tolist() == list(range(8))
    assert len(crossed.texts) == 12
    assert crossed.owner.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7]
    assert crossed.skipped == 4
    images, _ = pool.vectors("embedding_text", where="key < '08'")
    known = cross_retrieval(images, shared("offline").text(crossed.texts), crossed.owner)
    np.testing.assert_array_equal(crossed.found.text_to_image.rank, known.text_to_image.rank)
    figures = {(row["direction"], row["metric"]): row for row in asked.figures(crossed)}
    for direction in ("text to image", "image to text"):
        one, three = figures[direction, "R@1"], figures[direction, "R@3"]
        assert one["from"] <= one["value"] <= one["to"]
        assert one["value"] <= three["value"]
        assert figures[direction, "median rank"]["value"] >= 1
    page = asked.judge(pool)
    assert page.to_json() == asked.judge(pool).to_json()
    html = page.save(tmp_path, "cross-retrieve").read_text("utf-8")
    facts = json.loads((tmp_path / "cross-retrieve.json").read_text("utf-8"))["facts"]
    assert facts["figures"][0]["value"] == figures["text to image", "R@1"]["value"]
    assert "data:image/jpeg" in html
    assert "veduta search" in html


def test_texts_may_be_strings_and_groups_share_them(path: Path):
    pool = veduta.open(path)
    crossed = CrossRetrieve(text="title", group="kind").measure(pool)
    assert crossed.rows.tolist() == list(range(1, 12))
    assert set(crossed.found.text_to_image.relevant.tolist()) == {1, 2}
    alone = CrossRetrieve(text="title").measure(pool)
    assert (alone.found.text_to_image.relevant == 1).all()
    assert (crossed.found.text_to_image.rank <= alone.found.text_to_image.rank).all()
    assert "true" in CrossRetrieve(text="title", group="kind").judge(pool).to_json()
    some = CrossRetrieve(where="key < '04'").measure(pool)
    assert len(some.rows) == 4
    texts = ["a", "b", "a"]
    np.testing.assert_array_equal(encode_texts(shared("offline"), texts), shared("offline").text(["a", "b"])[[0, 1, 0]])


def test_wrong_use_gets_one_sentence(path: Path):
    pool = veduta.open(path)
    for wrong, kind, words in (
        ({"text": "story"}, MissingColumn, "--text"),
        ({"text": "size"}, BadInput, "strings or lists of strings"),
        ({"group": "captions"}, BadInput, "strings or integers"),
        ({"k": [0]}, BadInput, "at least 1, got 0"),
        ({"embedding": "embedding"}, SpaceMismatch, "does not live in the text space"),
        ({"embedding": "other"}, MissingColumn, "annotate embed"),
        ({"where": "key = '00'"}, NothingToDo, "there is 1"),
        ({"where": "key > '08'"}, NothingToDo, "there are none"),
        ({"encoder": "nothing:x"}, EncoderError, "unknown"),
    ):
        with pytest.raises(kind, match=words):
            CrossRetrieve(**wrong).judge(pool)
