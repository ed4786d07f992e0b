"""The 1,000 ImageNet-1k classes: synset ids and names a person would say."""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path

from veduta.errors import EncoderError
from veduta.pool.class_tree import ClassTree


def _info(name: str) -> list[str]:
    # The lists are read as files: importing timm would import torch, seconds of start-up for two text files.
    spec = importlib.util.find_spec("timm")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        file = Path(place) / "data" / "_info" / name
        if file.is_file():
            return file.read_text(encoding="utf-8").splitlines()
    raise EncoderError(f"The ImageNet class list {name} of the package timm was not found; run: pip install timm")


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """WordNet 3.0 noun ids ("n01440764") of the 1,000 classes, in the order of a classifier's outputs."""
    return tuple(line.strip() for line in _info("imagenet_synsets.txt"))


@cache
def imagenet_lemmas() -> tuple[tuple[str, ...], ...]:
    """All WordNet lemmas of each class, in WordNet's order, as a tuple a class."""
    table = dict(line.split("\t", 1) for line in _info("imagenet_synset_to_lemma.txt") if "\t" in line)
    return tuple(tuple(map(str.strip, table[synset].split(","))) for synset in imagenet_synsets())


@cache
def imagenet_names() -> tuple[str, ...]:
    """One name a class: its first lemma, or where two classes would share it, the first two lemmas.

    Names are unique. Two classes have "crane" as their only lemma, the bird and the machine; they are named by hand.
    """
    lemmas = imagenet_lemmas()
    first = Counter(names[0].lower() for names in lemmas)
    names = []
    for synset, each in zip(imagenet_synsets(), lemmas, strict=True):
        if synset in _BY_HAND:
            names.append(_BY_HAND[synset])
        else:
            shared = first[each[0].lower()] > 1
            names.append(", ".join(each[: 2 if shared else 1]))
    return tuple(names)


@cache
def imagenet_tree() -> ClassTree:
    """The 1,000 classes by WordNet id, in the order of a classifier's outputs, with all lemmas and glosses; no parents."""
    whole = picturable_nouns()
    keep = imagenet_synsets()
    return ClassTree(dict.fromkeys(keep, ()), {s: whole.names[s] for s in keep}, {s: whole.glosses[s] for s in keep})


@cache
def picturable_nouns() -> ClassTree:
    """The 21,844 noun synsets of ImageNet-21k, lemmas and glosses by WordNet id; no parents. No download.

    About a quarter of WordNet's nouns: things of which pictures were found. Other meanings of a word are not in it; for
    all of them read WordNet itself (`veduta.pool.class_tree.from_wordnet`).
    """
    names, glosses = (
        dict(line.split("\t", 1) for line in _info(f"imagenet_synset_to_{what}.txt") if "\t" in line)
        for what in ("lemma", "definition")
    )
    return ClassTree(
        dict.fromkeys(names, ()),
        {synset: tuple(map(str.strip, lemmas.split(","))) for synset, lemmas in names.items()},
        {synset: glosses.get(synset, "").strip() for synset in names},
    )


_BY_HAND = {"n02012849": "crane bird", "n03126707": "construction crane"}
