"""Words of a text, and the vocabulary of many."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from veduta.errors import BadInput

LEAST = 2


def _ranges(points: Iterable[int]) -> str:
    """Code points as the inside of a character class."""
    found: list[list[int]] = []
    for point in points:
        if found and point == found[-1][1] + 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in found)


# Marks belong to the letter before them: without them, words of Hindi or Arabic would fall apart.
_MARK = "[" + _ranges(p for p in range(0x300, 0x20000) if unicodedata.category(chr(p))[0] == "M") + "]"
# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana and Han. Each of their letters is a word.
_JOINED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER = rf"(?:(?![{_JOINED}])[^\W_]{_MARK}*)"
_WORD = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*|[^\W_]{_MARK}*")


def words_of(text: str) -> list[str]:
    """Lower-cased runs of letters and digits, of any script; apostrophes inside a word stay, other punctuation goes.

    Scripts that put no spaces between words give one word a letter. Compatible forms count as one (NFKC: full-width
    letters, ligatures).
    """
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return [sys.intern(word) for word in _WORD.findall(plain)]


def fit_words(texts: Sequence[str], least: int = LEAST) -> list[str]:
    """Words that occur `least` times or more, commonest first. Raises BadInput if there are none."""
    counts = Counter(word for text in texts for word in words_of(text))
    found = [word for word, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if count >= least]
    if not found:
        raise BadInput(
            f"no word occurs {least} times or more in the {len(texts)} training texts; use --text-tower minilm"
        )
    return found
