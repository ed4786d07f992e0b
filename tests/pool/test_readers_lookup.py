"""Names that other programs wrote, found among the paths below the root."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veduta.pool.readers import lookup
from veduta.pool.readers.lookup import Lookup
from veduta.pool.readers.notes import Notes

PATHS = (
    "train/a.png",
    "train/b b.png",
    "val/a.png",
    "val/Ü.jpg",
    "c.png",
    "deep/er/d.JPG",
    "v1.0/e.f.png",
    "caf%E9.png",
)


@pytest.mark.parametrize(
    ("name", "below", "path", "rule"),
    [
        ("train/a.png", "", "train/a.png", ""),
        ("./train//a.png", "", "train/a.png", ""),
        ("a.png", "train", "train/a.png", ""),
        ("a.png", "train/", "train/a.png", ""),
        ("train/a.png", "train", "train/a.png", ""),
        ("../val/a.png", "train", "val/a.png", ""),
        ("train\\a.png", "", "train/a.png", lookup.SPELLING),
        (".\\train\\a.png", "", "train/a.png", lookup.SPELLING),
        ("train/b%20b.png", "", "train/b b.png", lookup.SPELLING),
        (unicodedata.normalize("NFD", "val/Ü.jpg"), "", "val/Ü.jpg", lookup.SPELLING),
        ("caf\udce9.png", "", "caf%E9.png", lookup.SPELLING),
        ("/home/me/set/train/a.png", "", "train/a.png", lookup.TAIL),
        ("C:\\set\\train\\a.png", "", "train/a.png", lookup.TAIL),
        ("file:///home/me/train/b%20b.png", "", "train/b b.png", lookup.TAIL),
        ("../../elsewhere/c.png", "", "c.png", lookup.TAIL),
        ("d.JPG", "", "deep/er/d.JPG", lookup.DEEPER),
        ("er/d.JPG", "", "deep/er/d.JPG", lookup.DEEPER),
        ("/x/er/d.JPG", "", "deep/er/d.JPG", lookup.DEEPER),
        ("TRAIN/A.PNG", "", "train/a.png", lookup.CASE),
        ("d.jpg", "deep/er", "deep/er/d.JPG", lookup.CASE),
        ("train/a", "", "train/a.png", lookup.SUFFIX),
        ("val/Ü.jpeg", "", "val/Ü.jpg", lookup.SUFFIX),
        ("v1.0/e.f", "", "v1.0/e.f.png", lookup.SUFFIX),
        ("e.f", "v1.0", "v1.0/e.f.png", lookup.SUFFIX),
        ("deep/er/d", "", "deep/er/d.JPG", lookup.SUFFIX),
    ],
)
def test_a_name_finds_its_file_and_tells_how(name, below, path, rule):
    notes = Notes()
    table = Lookup(PATHS)
    assert table.find(name, below, notes) == path
    assert notes.counts == ({rule: 1} if rule else {})
    found = table.match(name, below)
    assert found is not None
    assert found.rule == rule


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("", ""),
        ("a.png", ""),  # two fit
        ("train/c.png", ""),  # its folder is here, without it
        ("/x/val/c.png", ""),
        ("c.png", "train"),  # a folder's own table does not mean the root's file
        ("/etc/d.JPG", ""),  # a bare name from another folder could be any file
        ("https://host.example/train/a.png", ""),
        ("gone.png", ""),
        ("train/a.jpg", ""),  # another format is another file
        (".", ""),
        ("..", "train"),
    ],
)
def test_a_name_that_fits_no_file_or_several_finds_none(name, below):
    assert Lookup(PATHS).find(name, below) is None


def test_a_rare_rule_counts_only_where_one_file_fits():
    table = Lookup(["A.png", "a.png", "b.jpg", "b.png"])
    assert (table.find("A.png"), table.find("a.PNG"), table.find("b"), table.find("b.jpg")) == (
        "A.png",
        None,
        None,
        "b.jpg",
    )


_NAMES = st.text(st.sampled_from("abÄé .%"), min_size=1, max_size=5).map(lambda s: f"x{s.strip()}")
_PATHS = st.lists(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True)


@given(_PATHS)
def test_every_path_finds_itself(paths):
    table = Lookup(paths)
    for path in paths:
        assert table.find(path) == path
        assert table.find(path.replace("/", "//")) == path
        windows = table.find("D:\\far\\" + path.replace("/", "\\"))
        assert windows in (path, None) or unicodedata.normalize("NFC", windows) != unicodedata.normalize("NFC", path)


@given(_PATHS, st.text(st.sampled_from("ab/.\\%2eF:~"), max_size=12))
def test_what_is_found_is_always_one_of_the_paths(paths, name):
    assert Lookup(paths).find(name) in {*paths, None}
