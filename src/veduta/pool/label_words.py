"""The nouns in labels and titles: split at commas and "and", fillers out, plural to singular, the head of a phrase."""

from __future__ import annotations

import re
from collections.abc import Callable

Known = Callable[[str], bool]
"""Whether a word or phrase is a noun."""

_FILLER_WORDS = """
    other others misc miscellaneous assorted various general new sale all more accessory accessories item items
    product products the a an for with of our your uncategorized uncategorised unknown etc
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_SPLIT = re.compile(r"\s*(?:[,;/&+|]|\band\b|\bor\b|\bund\b|\bet\b)\s*", re.IGNORECASE)
# Words that a lexicon of nouns knows (the have and have-nots, vitamin A), and that a title never means so.
_NO_NOUN_WORDS = """
    a i have has are is was be do can will may must no it in at as he who us am being or and
"""
_NO_NOUNS = frozenset(_NO_NOUN_WORDS.split())
# A title's head stands before these; what follows tells of it.
_AFTER = re.compile(
    r"\s[-–—|]\s|[,;:(\[{]|\s(?:with|for|in|by|from|without|on|at|to|w/|incl\.?|including|made|featuring|compatible)\s",
    re.IGNORECASE,
)
_CONTAINER = re.compile(
    r"^\s*(?:(?:an?|the|\d+)\s+)?(?:set|pair|pack|box|piece|pcs|lot|bunch|assortment|collection|kind|type|bundle|head|slice)s?\s+of\s+",
    re.IGNORECASE,
)
_TAIL_WORDS = """
    black white red blue green yellow orange purple pink brown grey gray silver gold beige navy small medium large
    xl xxl xs s m l size set pack new sale kit collection style model edition men women mens womens kids unisex
    adult
"""
_TAIL = frozenset(_TAIL_WORDS.split())
_IRREGULAR = {
    "children": "child", "men": "man", "women": "woman", "people": "person", "mice": "mouse", "feet": "foot", "teeth": "tooth",
    "geese": "goose", "oxen": "ox", "leaves": "leaf", "knives": "knife", "shelves": "shelf", "scarves": "scarf", "wolves": "wolf",
    "loaves": "loaf", "calves": "calf", "halves": "half", "lives": "life", "wives": "wife", "hooves": "hoof", "thieves": "thief",
    "cacti": "cactus", "fungi": "fungus", "dice": "die", "lice": "louse", "octopi": "octopus",
}  # fmt: skip
# WordNet's rules of detachment for nouns (morphy, WordNet manual morphy(7WN)).
_RULES = (
    ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("zes", "z"), ("ies", "y"), ("men", "man"), ("ses", "s"), ("s", ""),
)  # fmt: skip


def nouns_of(label: str) -> tuple[str, ...]:
    """The nouns of a label, in small letters: "Tops and T-shirts, other" -> ("tops", "t-shirts"). A label of nothing but
    fillers is its own noun (Bai et al. 2024, section 3.3).
    """
    parts = []
    for part in _SPLIT.split(label):
        words = [word for word in part.casefold().split() if word.strip(".") not in _FILLERS]
        if words:
            parts.append(" ".join(words))
    whole = " ".join(label.casefold().split())
    return tuple(dict.fromkeys(parts)) or ((whole,) if whole else ())


def singular(noun: str, known: Known | None = None) -> str:
    """The singular of a noun or of the last word of a phrase, by WordNet's rules.

    A form that `known` knows stays as it is ("glasses"), and of several singulars the first known one is taken. What nobody
    knows loses a plain s.
    """
    if known is not None and known(noun):
        return noun
    head, _, last = noun.rpartition(" ")
    prefix = f"{head} " if head else ""
    if last in _IRREGULAR:
        return prefix + _IRREGULAR[last]
    found = [
        last[: len(last) - len(end)] + new for end, new in _RULES if last.endswith(end) and len(last) > len(end) + 1
    ]
    if last.endswith("ss"):
        found = []
    if known is not None:
        for form in found:
            if known(prefix + form):
                return prefix + form
        for form in found:
            if known(form):
                return prefix + form
    return prefix + found[0] if found else noun


def head_of(phrase: str, known: Known) -> str | None:
    """The longest known noun at the end of a phrase, singular: "red garden snails" -> "snail", "key rings" -> "key ring"."""
    words = phrase.split()
    for start in range(max(0, len(words) - 4), len(words)):
        noun = singular(" ".join(words[start:]), known)
        if len(noun) > 1 and noun not in _NO_NOUNS and known(noun):
            return noun
    return None


def head_noun(title: str, known: Known) -> str | None:
    """What a title is about: the last known noun before a comma, a bracket, a dash or "with", "for", "in", ...

    "Acme Women's Running Shoes with laces, size 42 - Black" -> "running shoe" if known, else "shoe". A rule of thumb in the
    place of the paper's language model: English, and only as good as `known`.
    """
    text = re.sub(r"['’]s\b", "", " ".join(title.casefold().split()))
    for part in _AFTER.split(f" {_CONTAINER.sub('', text)} "):
        found = _head_of_part(part, known)
        if found is not None:
            return found
    return None


def _head_of_part(part: str, known: Known) -> str | None:
    head, *rest = re.split(r"\s+of\s+", part.strip(), maxsplit=1)
    if rest and len(rest[0].split()) > 2:  # "a cup of tea" is a cup, "United Stars of Acme red cotton shirt" is none
        head = part.strip()
    words = [word.strip(".!?*\"'“”") for word in re.sub(r"[^\w\s'.-]", " ", head).split()]
    words = [word for word in words if word and word not in ("a", "an", "the")]
    end = len(words)
    while end and (words[end - 1] in _TAIL or any(c.isdigit() for c in words[end - 1])):
        end -= 1
    # Colours and sizes go, unless only words that are not nouns are left: "a sliced orange".
    shorter = [last for last in range(end, 0, -1) if words[last - 1] not in _TAIL]
    for last in [*shorter, *range(len(words), end, -1)]:
        found = head_of(" ".join(words[:last]), known)
        if found is not None:
            return found
    return None
