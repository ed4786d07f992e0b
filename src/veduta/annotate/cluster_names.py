"""Short, unique names for groups of images: from their labels, from words near them, or from their captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Words of a name at most so long; longer class names are cut to their head.
LONGEST = 28

_IDLE_WORDS = """
    a about above across after against all along an and another are around as at back background be behind being beside
    between big black blue brown by closeup color colorful down during each for four front from front gray green grey group
    has have he her high him his holding in inside into is it its large left little long looking looks many near next no not
    of off old on one onto other out outside over picture photo photograph image pink purple red right several she showing
    shows side sitting small some standing stands that the their them there these they this three through to top towards two
    under up very view walking walks wearing wears what which while white who wide with yellow young
"""
_IDLE = frozenset(_IDLE_WORDS.split())


def label_names(members: Sequence[Sequence[str | None]], purity: float) -> list[list[str]]:
    """For each group its labels, commonest first, if the first has at least `purity` of the group; else nothing."""
    result: list[list[str]] = []
    for labels in members:
        ranked = Counter([label for label in labels if label]).most_common()
        pure = bool(ranked) and ranked[0][1] >= purity * len(labels)
        result.append([label for label, _ in sorted(ranked, key=lambda pair: (-pair[1], pair[0]))] if pure else [])
    return result


def near_words(
    centres: NDArray[np.float32],
    words: NDArray[np.float32],
    names: Sequence[str],
    bonus: NDArray[np.float32] | float = 0.0,
    count: int = 6,
) -> list[list[str]]:
    """For each group the `count` words that fit it best.

    centres: (k, d) mean text-space vectors of the groups; words: (w, d) unit vectors of `names`; bonus: (w,) added to a
    word's score, which is its cosine with the group's centre less a quarter of that with the mean of all centres: a word
    near everything says nothing.
    """
    centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    scores = centres @ words.T + bonus
    if len(centres) > 1:
        scores = scores - 0.25 * (words @ centres.mean(axis=0))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    result: list[list[str]] = []
    for row in best:
        result.append([str(names[int(i)]) for i in row])
    return result


def caption_words(members: Sequence[Sequence[str]], count: int = 6) -> list[list[str]]:
    """For each group the words that stand in many of its captions and in few of all others: share * log(1 / share of all)."""
    bags = [Counter(word for text in texts for word in set(_words(text))) for texts in members]
    everywhere: Counter[str] = Counter()
    for bag in bags:
        everywhere.update(bag)
    total = max(1, sum(map(len, members)))
    result = []
    for bag, texts in zip(bags, members, strict=True):
        score = {
            w: c / len(texts) * np.log(1 + total / everywhere[w]) for w, c in bag.items() if c > 1 or len(texts) < 4
        }
        result.append(sorted(score, key=lambda word: (-score[word], word))[:count])
    return result


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]{3,}", text.casefold()) if word not in _IDLE]


def unique_names(candidates: Sequence[Sequence[str]]) -> list[str]:
    """One name a group: its first candidate, with the next one or a number behind it where another group has it already.

    Groups come in order of importance: the first of equals keeps the plain name. A group without candidates is
    "cluster" with its number.
    """
    taken: set[str] = set()
    result = []
    for number, words in enumerate(candidates):
        short = [_short(word) for word in words]
        first = short[0] if short else f"cluster {number}"
        options = [first, *(_told_apart(first, word) for word in short[1:] if word.casefold() not in first.casefold())]
        options += [f"{first} ({i})" for i in range(2, len(candidates) + 2)]
        name = next(option for option in options if option.casefold() not in taken)
        taken.add(name.casefold())
        result.append(name)
    return result


def _told_apart(first: str, second: str) -> str:
    """ "snake" and "green snake" make "green snake", "bottle" and "jug" make "bottle, jug"."""
    return second if first.casefold() in second.casefold() else f"{first}, {second}"


def _short(word: str) -> str:
    word = " ".join(word.replace("_", " ").split())
    head = word.split(",")[0]
    return head if len(head) <= LONGEST else head[:LONGEST].rsplit(" ", 1)[0]
