"""Candidates: an image link with the text beside it, cleaned; and the account of what became of each.

After the crawler of LAION-5B (Schuhmann et al. 2022, arXiv 2210.08402, section 3 and the released `ccpp.py`).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from veduta.pool.readers.web_seen import Seen

# Bounds of an alt text in characters, and the longest link that is looked at.
MIN_TEXT, MAX_TEXT, MAX_LINK = 5, 2000, 4096

# py3langid's confidence is calibrated, so from 0.5 on the named language is likelier than all others together.
RELIABLE = 0.5

ACCEPTED = "accepted"
TOO_SHORT = "text too short"
NOT_A_LINK = "not a web link"
DUPLICATE = "duplicate of an earlier link and text"
UNREADABLE_PAGE = "page cannot be read"
MOST_EXAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image link (absolute, http or https) with its text.

    file: the image's path on this machine where it was saved beside its page, else "".
    text: cleaned, MIN_TEXT to MAX_TEXT characters. page: where it was found, "" if unknown.
    license: a creativecommons.org link of the page or None. language: ISO 639-1 code, None where unreliable.
    """

    url: str
    text: str
    page: str = ""
    license: str | None = None
    language: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    file: str = ""

    @property
    def key(self) -> str:
        """Hex MD5 of link and text: the identity of a candidate (not a safeguard of any kind)."""
        return hashlib.md5((self.url + self.text).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


@dataclass
class Tally:
    """How many candidates ended in which status, and the first of those that were not accepted."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, status: str, what: str = "") -> None:
        self.counts[status] += 1
        if status != ACCEPTED and len(self.examples) < MOST_EXAMPLES:
            self.examples.append((what[:300], status))

    @property
    def total(self) -> int:
        """All candidates seen."""
        return sum(self.counts.values())


def clean_text(text: str) -> str:
    """Mend broken encodings (ftfy), drop control characters, squeeze white space, cut to MAX_TEXT characters."""
    import ftfy

    text = ftfy.fix_text(text[: 4 * MAX_TEXT])
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(text.split())[:MAX_TEXT].rstrip()


def language_of(text: str, reliable: float = RELIABLE) -> str | None:
    """ISO 639-1 code of the text's language, or None where the detector is not sure (py3langid)."""
    code, confidence = _identifier().classify(text)
    return str(code) if confidence >= reliable and code != "zxx" else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def accept(found: Iterator[Candidate], tally: Tally, languages: bool = True) -> Iterator[Candidate]:
    """Clean, check and count: yields the candidates worth fetching, each once, in the order in which they came."""
    seen = Seen()
    for raw in found:
        candidate = replace(raw, text=clean_text(raw.text))
        if not candidate.file and not is_web_link(candidate.url):
            tally.add(NOT_A_LINK, candidate.url)
        elif len(candidate.text) < MIN_TEXT:
            tally.add(TOO_SHORT, candidate.url)
        elif not seen.add(bytes.fromhex(candidate.key)):
            tally.add(DUPLICATE, candidate.url)
        else:
            tally.add(ACCEPTED)
            language = candidate.language or (language_of(candidate.text) if languages else None)
            yield replace(candidate, language=language)


def is_web_link(url: str) -> bool:
    """Whether `url` is an absolute http(s) link of sane length with a host."""
    if len(url) > MAX_LINK:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
