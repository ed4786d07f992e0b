"""Class trees and label maps, against hand-made truth."""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veduta.errors import BadInput, MissingPackage, SourceError
from veduta.pool.class_tree import ClassTree, apply, from_folder, from_table, from_wordnet, map_labels, merge_labels

TREE = {
    "animal": None,
    "dog": "animal",
    "cat": "animal",
    "puppy": "dog",
    "pet": None,
    "poodle": ["dog", "pet"],
    "crane bird": "animal",
    "machine": None,
    "crane hoist": "machine",
}
NAMES = {"crane bird": ("crane",), "crane hoist": ("crane",), "dog": ("dog", "domestic dog")}


@pytest.fixture
def tree() -> ClassTree:
    return ClassTree(from_table(TREE).parents, NAMES)


def test_walks(tree):
    assert tree.ancestors("poodle") == {"poodle": 0, "dog": 1, "pet": 1, "animal": 2}
    assert tree.descendants("animal") == ["animal", "cat", "crane bird", "dog", "poodle", "puppy"]
    assert tree.common("poodle", "puppy") == "dog"
    assert tree.common("puppy", "cat") == "animal"
    assert tree.common("cat", "machine") is None
    assert tree.find("Domestic_Dog") == ("dog",)
    assert tree.find("crane") == ("crane bird", "crane hoist")
    assert tree.find("domestic dog, dog, hound") == ("dog",)
    assert (len(tree), "dog" in tree, tree.name("dog"), tree.name("cat")) == (9, True, "dog", "cat")
    with pytest.raises(BadInput, match="no class 'unicorn'"):
        tree.ancestors("unicorn")


def test_mapping_by_tree(tree):
    labels = ["puppy", "poodle", "poodle", "CAT", "crane", "machine", "sofa", "animal", None]
    table = map_labels(labels, ["animal", "pet", "cat", "crane hoist"], tree)
    rows = {r["given"]: (r["mapped"], r["how"], r["count"], r["ambiguous"], r["candidates"]) for r in table.to_pylist()}
    assert rows == {
        "poodle": ("pet", "1 step up", 2, False, []),
        "puppy": ("animal", "2 steps up", 1, False, []),
        "CAT": ("cat", "spelling", 1, False, []),
        "crane": ("animal", "1 step up", 1, True, ["animal", "crane hoist"]),
        "machine": (None, "no target above it", 1, False, []),
        "sofa": (None, "not in the tree", 1, False, []),
        "animal": ("animal", "same", 1, False, []),
    }
    assert table["given"][0].as_py() == "poodle"
    assert apply(labels, table).to_pylist() == ["animal", "pet", "pet", "cat", "animal", None, None, "animal", None]
    assert apply(pa.array(["new"]), table).to_pylist() == ["new"]


def test_mapping_by_hand():
    table = map_labels(["Dog", "dog", "c-a-t", "x", "odd"], {"dog": "animal", "x": None, "c a t": "1", "C_A_T": "2"})
    rows = {r["given"]: (r["mapped"], r["how"], r["ambiguous"], r["candidates"]) for r in table.to_pylist()}
    assert rows == {
        "Dog": ("animal", "spelling", False, []),
        "dog": ("animal", "given", False, []),
        "c-a-t": ("1", "spelling", True, ["1", "2"]),
        "x": (None, "dropped", False, []),
        "odd": (None, "not in the mapping", False, []),
    }


def test_merging(tree):
    labels = [
        "traffic light",
        "Traffic_Light",
        "traffic-lights",
        "traffic light",
        "glass",
        "glas",
        "dog",
        "domestic dog",
        "crane",
    ]
    table = merge_labels(labels, tree)
    rows = {r["given"]: (r["mapped"], r["how"], r["ambiguous"]) for r in table.to_pylist()}
    assert rows["traffic-lights"] == ("traffic light", "same spelling", False)
    assert rows["traffic light"] == ("traffic light", "kept", False)
    assert rows["domestic dog"] == ("dog", "same class", False) or rows["dog"] == ("domestic dog", "same class", False)
    assert rows["glass"] == ("glass", "kept", False)
    assert rows["crane"] == ("crane", "kept", True)
    assert len(merge_labels(labels)) == 8


@given(st.lists(st.none() | st.text(max_size=4), max_size=20))
def test_merging_twice_changes_nothing_more(labels):
    once = apply(labels, merge_labels(labels))
    assert apply(once, merge_labels(once.to_pylist())).to_pylist() == once.to_pylist()
    assert len(once) == len(labels)


def test_trees_from_files(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(TREE))
    assert from_table(tmp_path / "t.json").parents == from_table(TREE).parents
    (tmp_path / "t.csv").write_text("class,parent,name\ndog,animal,Dog\npoodle,dog,\npoodle,pet,\n")
    tree = from_table(tmp_path / "t.csv")
    assert tree.parents == {"dog": ("animal",), "poodle": ("dog", "pet"), "animal": (), "pet": ()}
    assert tree.find("DOG") == ("dog",)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="needs the columns class and parent, it has: a, b"):
        from_table(tmp_path / "bad.csv")
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(SourceError, match="got a list"):
        from_table(tmp_path / "bad.json")
    with pytest.raises(BadInput, match="circular"):
        from_table({"a": "b", "b": "c", "c": "a"})
    with pytest.raises(BadInput, match="gives 'a' the parent 'b'"):
        ClassTree({"a": ("b",)})


def test_trees_from_folders(tmp_path):
    for path in ("animals/dogs/poodles", "animals/cats", ".git/objects"):
        (tmp_path / path).mkdir(parents=True)
    tree = from_folder(tmp_path)
    assert tree.parents == {"animals": (), "animals/cats": ("animals",), "animals/dogs": ("animals",), "animals/dogs/poodles": ("animals/dogs",)}  # fmt: skip
    assert tree.find("Poodles") == ("animals/dogs/poodles",)
    with pytest.raises(SourceError, match="not a folder"):
        from_folder(tmp_path / "nowhere")


WORDNET = """  1 This software and database is being provided
00001740 03 n 01 entity 0 000 | that which is perceived
02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 003 @ 00001740 n 0000 ~ 02085374 n 0000 %p 00001740 n 0000 | a member
02085374 05 n 02 toy_dog 0 toy 0 001 @ 02084071 n 0000 | a small dog
10954498 18 n 01 Lassie 0 002 @i 02084071 n 0000 -r 00000001 v 0000 | a dog in films
"""


def test_wordnet(tmp_path, monkeypatch):
    (tmp_path / "data.noun").write_text(WORDNET)
    for place in (tmp_path, tmp_path / "data.noun"):
        tree = from_wordnet(place)
        assert tree.parents == {
            "n00001740": (), "n02084071": ("n00001740",), "n02085374": ("n02084071",), "n10954498": ("n02084071",),
        }  # fmt: skip
        assert tree.names["n02084071"] == ("dog", "domestic dog", "Canis familiaris")
    table = map_labels(["n02085374", "toy"], ["dog"], tree)
    assert table["mapped"].to_pylist() == ["dog", "dog"]
    with pytest.raises(SourceError, match=r"no file data\.noun"):
        from_wordnet(tmp_path / "nowhere")
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(MissingPackage, match="pip install nltk"):
        from_wordnet()
