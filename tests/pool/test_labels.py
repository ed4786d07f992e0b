"""Nouns of labels, merging and mapping by similarity, and the review table."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from veduta.errors import BadInput, SourceError
from veduta.pool.class_tree import ClassTree, apply, from_wordnet
from veduta.pool.label_review import (
    REVIEWED,
    calibrate,
    carried,
    decide,
    decisions,
    proposals,
    read_review,
    write_review,
)
from veduta.pool.label_similar import merged, similar_labels, similar_targets
from veduta.pool.label_words import head_noun, nouns_of, singular

NOUNS = {
    "shoe", "running shoe", "glasses", "glass", "cup", "t-shirt", "key ring", "ring", "snail", "mouse", "box", "bus", "dress", "berry",
    "watch", "orange", "case", "lens", "crane", "lamp", "bag",
}  # fmt: skip


def known(text: str) -> bool:
    return text in NOUNS


def test_nouns_of_labels():
    assert nouns_of("Tops and T-shirts, other") == ("tops", "t-shirts")
    assert nouns_of("Bags & Accessories") == ("bags",)
    assert nouns_of("Other") == ("other",)
    assert nouns_of("  ") == ()
    assert nouns_of("Sandals") == ("sandals",)  # no "and" inside a word


def test_singulars():
    singulars = {
        "shoes": "shoe", "glasses": "glasses", "boxes": "box", "buses": "bus", "dresses": "dress", "berries": "berry", "mice": "mouse",
        "watches": "watch", "key rings": "key ring", "garden snails": "garden snail", "zorgs": "zorg", "moss": "moss", "children": "child",
        "lenses": "lens", "firewomen": "firewoman",
    }  # fmt: skip
    assert {noun: singular(noun, known) for noun in singulars} == singulars
    assert singular("glasses") == "glass"
    assert singular("") == ""


@pytest.mark.parametrize(
    ("title", "head"),
    [
        ("Acme Women's Running Shoes with laces, size 42 - Black", "running shoe"), ("Acme garden snails, set of 3", "snail"), ("A set of 4 red wine glasses", "glasses"),
        ("Cup of tea", "cup"), ("United Rings of Acme red cotton dresses", "dress"), ("iPhone 15 Pro case", "case"), ("Nike Air Max 90", None), ("2-pack kids' T-shirts", "t-shirt"),
        ("A sliced orange.", "orange"), ("Lamp XL black", "lamp"), ("", None), ("!!!", None), ("Big (very big) bag", "bag"),
    ],
)  # fmt: skip
def test_heads_of_titles(title, head):
    assert head_noun(title, known) == head


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_no_title_breaks_the_rule(title):
    assert head_noun(title, known) is None or head_noun(title, known) in NOUNS


def space(seed: int = 0, d: int = 6):
    """Words to fixed random unit vectors, near-synonyms close to each other."""
    rng = np.random.default_rng(seed)
    cache: dict[str, np.ndarray] = {}

    def embed(texts):
        for text in texts:
            if text not in cache:
                vector = rng.normal(size=d)
                cache[text] = (vector / np.linalg.norm(vector)).astype(np.float32)
        return np.stack([cache[text] for text in texts]) if len(texts) else np.zeros((0, d), np.float32)

    return embed, cache


def test_pairs_are_the_maxima_over_nouns_of_a_plain_loop():
    embed, _ = space(3, d=3)
    rng = np.random.default_rng(1)
    nouns = [f"w{i}" for i in range(15)]
    labels = {
        ", ".join(rng.choice(nouns, rng.integers(1, 4), replace=False)): int(rng.integers(1, 9)) for _ in range(25)
    }
    got = {(r["given"], r["mapped"]): r["score"] for r in similar_labels(labels, embed, 0.9, 0.7).to_pylist()}
    want = {}
    for a in labels:
        for b in labels:
            if (-labels[a], a) < (-labels[b], b):
                best = max(float(embed([x])[0] @ embed([y])[0]) for x in nouns_of(a) for y in nouns_of(b))
                if best >= 0.7:
                    want[b, a] = min(best, 1.0)
    assert got.keys() == want.keys()
    assert all(got[pair] == pytest.approx(want[pair], abs=1e-5) for pair in want)


def test_groups_are_the_connected_components():
    rng = np.random.default_rng(0)
    names = [f"l{i:02d}" for i in range(40)]
    counts = {name: int(rng.integers(1, 50)) for name in names}
    edges = [(i, j, float(rng.uniform(0.8, 1))) for i in range(40) for j in range(i) if rng.random() < 0.05]
    table = proposals([{"given": names[i], "mapped": names[j], "score": s} for i, j, s in edges])
    group = merged(counts, table, 0.92)
    kept = [(i, j) for i, j, s in edges if s >= 0.92]
    matrix = coo_matrix((np.ones(len(kept)), ([i for i, _ in kept], [j for _, j in kept])), shape=(40, 40))
    component = connected_components(matrix, directed=False)[1]
    for c in set(component):
        members = [name for name, own in zip(names, component, strict=True) if own == c]
        assert {group[name] for name in members} == {min(members, key=lambda name: (-counts[name], name))}


def test_a_split_holds_against_a_third_label_and_deny_against_everything():
    rows = [
        ("b", "a", 0.99, None),
        ("c", "b", 0.95, None),
        ("c", "a", 0.94, "split"),
        ("d", "a", 0.5, "accept"),
        ("e", "a", 0.97, None),
    ]
    table = proposals([{"given": g, "mapped": m, "score": s, "decision": d} for g, m, s, d in rows])
    counts = {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}
    assert merged(counts, table, 0.92) == {"a": "a", "b": "a", "c": "c", "d": "a", "e": "a"}
    assert merged(counts, table, 0.92, deny=[("e", "d")], alone={"b"}) == {
        "a": "a",
        "b": "b",
        "c": "c",
        "d": "a",
        "e": "e",
    }
    assert merged({}, table, 0.92) == {}


def test_partial_likeness_is_marked():
    embed, _ = space()
    table = similar_labels({"rings": 9, "key rings and rings": 2, "ring": 1}, embed, 0.92)
    rows = {(r["given"], r["mapped"]): (r["score"], r["ambiguous"]) for r in table.to_pylist()}
    assert rows["ring", "rings"] == (pytest.approx(1.0), False)
    assert rows["key rings and rings", "rings"] == (pytest.approx(1.0), True)


TARGETS = ClassTree(
    {"n1": (), "n2": (), "n3": (), "n4": ()},
    {"n1": ("crane",), "n2": ("crane",), "n3": ("snail",), "n4": ("mouse", "computer mouse")},
    {"n1": "a wading bird", "n2": "a lifting machine", "n3": "a mollusc", "n4": "a pointing device"},
)
LEXICON = ClassTree(
    {**TARGETS.parents, "n5": (), "n6": ("n3",), "n7": ()},
    {**TARGETS.names, "n5": ("mouse",), "n6": ("helix",), "n7": ("slug",)},
    {**TARGETS.glosses, "n5": "a small rodent", "n6": "a kind of snail", "n7": "a snail without a shell"},
)


def mapped(labels, embed, **options):
    return {r["given"]: r for r in similar_targets(labels, TARGETS, embed, 0.9, lexicon=LEXICON, **options).to_pylist()}


def test_labels_are_mapped_by_id_and_polysemes_are_flagged():
    embed, cache = space()
    embed(["snail", "slug", "helix", "snales"])
    cache["slug"] = cache["helix"] = cache["snales"] = cache["snail"]
    rows = mapped(
        {
            "Snails": 3,
            "garden snails": 2,
            "crane": 1,
            "mice": 1,
            "slug": 1,
            "helix": 1,
            "sofa": 1,
            "snales": 1,
            "other": 1,
        },
        embed,
    )
    assert (rows["Snails"]["mapped"], rows["Snails"]["how"], rows["Snails"]["ambiguous"]) == (
        "n3",
        "singular: snail",
        False,
    )
    assert rows["garden snails"]["how"] == "head noun: snail"
    assert rows["crane"]["ambiguous"]  # two targets of one name
    assert rows["crane"]["candidates"] == ["n1 crane: a wading bird", "n2 crane: a lifting machine"]
    assert rows["mice"]["ambiguous"]  # another meaning, which is not a target
    assert rows["slug"]["ambiguous"]  # near to a target, but of a gloss of its own
    assert "a meaning of its own" in rows["slug"]["how"]
    assert not rows["helix"]["ambiguous"]  # below the target in the lexicon
    assert not rows["snales"]["ambiguous"]  # no noun at all
    assert rows["sofa"]["how"].startswith("below 0.9")
    final = decide(pa.Table.from_pylist(list(rows.values()), schema=REVIEWED), 0.9)
    assert apply(["Snails", "crane", "slug", "helix", "sofa", None], final).to_pylist() == [
        "n3",
        None,
        None,
        "n3",
        None,
        None,
    ]


def test_a_context_chooses_the_meaning_to_propose():
    embed, cache = space()
    embed(
        [
            "crane: machines",
            "crane: birds",
            "crane: a wading bird",
            "crane: a lifting machine",
            "mouse: a small rodent",
            "mouse: animals",
        ]
    )
    cache["crane: machines"] = cache["crane: a lifting machine"]
    cache["crane: birds"] = cache["crane: a wading bird"]
    cache["mouse: animals"] = cache["mouse: a small rodent"]
    assert mapped({"crane": 1}, embed, contexts={"crane": "machines"})["crane"]["mapped"] == "n2"
    assert mapped({"crane": 1}, embed, contexts={"crane": "birds"})["crane"]["mapped"] == "n1"
    row = mapped({"mouse": 1}, embed, contexts={"mouse": "animals"})["mouse"]
    assert row["ambiguous"]
    assert "the context speaks for n5" in row["how"]


def test_decisions_hold():
    rows = [("a", "n1", 0.99, True, None), ("b", "n1", 0.99, True, "accept"), ("c", "n1", 0.99, False, "split"),
            ("d", "n1", 0.99, False, "n2"), ("e", "n1", 0.99, False, None), ("f", "n1", 0.5, False, None), ("g", None, None, False, None)]  # fmt: skip
    table = proposals([{"given": g, "mapped": m, "score": s, "ambiguous": x, "decision": d} for g, m, s, x, d in rows])
    final = dict(zip("abcdefg", decide(table, 0.9)["mapped"].to_pylist(), strict=True))
    assert final == {"a": None, "b": "n1", "c": None, "d": "n2", "e": "n1", "f": None, "g": None}


def test_a_review_comes_back_as_it_was_written(tmp_path):
    rows = [
        {
            "given": '=HYPERLINK("x")',
            "mapped": "n1",
            "score": 0.91,
            "count": 3,
            "how": "a, b",
            "candidates": ["n1 x: y", "n2 z"],
        },
        {"given": "plain; ümlaut\nline", "mapped": None, "score": None, "ambiguous": True, "decision": "split"},
        {"given": "'quoted", "mapped": "n2", "score": 0.99, "decision": "n7"},
    ]
    write_review(proposals(rows), tmp_path / "r.csv")
    text = (tmp_path / "r.csv").read_text("utf-8")
    assert "\n'=HYPER" not in text
    assert "'=HYPERLINK" in text
    assert not any(line.startswith("=") for line in text.splitlines())
    back = read_review(tmp_path / "r.csv")
    assert [r["given"] for r in back.to_pylist()] == [
        "'quoted",
        '=HYPERLINK("x")',
        "plain; ümlaut\nline",
    ]  # the surest first
    assert decisions(back) == {("plain; ümlaut\nline", None): "split", ("'quoted", "n2"): "n7"}
    assert back.to_pylist()[1]["candidates"] == ["n1 x: y", "n2 z"]
    fresh = carried(proposals([{"given": "'quoted", "mapped": "n2", "score": 0.5}]), back)
    assert decisions(fresh) == decisions(back)


def test_reviews_that_are_none(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_review(tmp_path / "no.csv")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(SourceError, match="lacks the columns decision, given, mapped"):
        read_review(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("decision,given,mapped\naccept,cup,\n")
    with pytest.raises(BadInput, match=r"line 2 of .* accepts 'cup', but names no target"):
        read_review(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("decision,given,mapped,score\nYes,cup,n1,high\n")
    with pytest.raises(BadInput, match="not a number"):
        read_review(tmp_path / "c.csv")
    (tmp_path / "d.csv").write_text("\ufeffdecision,given,mapped\nYES,cup,n1\n,,\nno,mug,n2\n", "utf-8")
    assert decisions(read_review(tmp_path / "d.csv")) == {("cup", "n1"): "accept", ("mug", "n2"): "split"}
    with (tmp_path / "d.csv").open(encoding="utf-8-sig") as stream:
        assert len(list(csv.DictReader(stream))) == 3


def test_a_threshold_from_a_review():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.uniform(0.5, 1, 200))[::-1].round(2)
    right = rng.random(200) < scores**2
    table = proposals(
        [
            {"given": f"{i}", "mapped": "n", "score": float(s), "decision": "accept" if ok else "split"}
            for i, (s, ok) in enumerate(zip(scores, right, strict=True))
        ]
    )
    found = calibrate(table, 0.85)
    taken = scores >= found.threshold - 1e-6
    assert found.precision == pytest.approx(right[taken].mean())
    assert found.rows == taken.sum()
    lower = [t for t in np.unique(scores) if t < found.threshold - 1e-6]
    assert all(right[scores >= t].mean() < 0.85 for t in lower)
    with pytest.raises(BadInput, match="at least 10 decided proposals, got 0"):
        calibrate(proposals([{"given": "a", "mapped": "b", "score": 1.0}]), 0.9)
    wrong = proposals([{"given": f"{i}", "mapped": "n", "score": 0.9, "decision": "split"} for i in range(12)])
    with pytest.raises(BadInput, match="no threshold reaches"):
        calibrate(wrong, 0.9)


def test_glosses_of_wordnet_files(tmp_path):
    (tmp_path / "data.noun").write_text(
        '  1 licence\n00000001 03 n 02 dog 0 domestic_dog 0 001 @ 00000002 n 0000 | barks; "a dog"\n00000002 03 n 01 animal 0 000 | moves\n'
    )
    tree = from_wordnet(tmp_path)
    assert tree.glosses == {"n00000001": 'barks; "a dog"', "n00000002": "moves"}
