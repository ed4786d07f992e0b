"""Texts of product pages, cleaned: titles, descriptions, prices. Pure functions."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from veduta.pool.readers.web_clean import clean_text

MAX_TITLE = 300
MAX_MARKUP = 20_000
MAX_BULLETS, MAX_BULLET = 50, 300

_TAG = re.compile(
    r"<(script|style)\b.{0,4000}?</\1\s*>|<!--.{0,4000}?-->|</?[a-zA-Z][^<>]{0,2000}>", re.DOTALL | re.IGNORECASE
)
_ITEM = re.compile(r"<li\b[^>]*>(.*?)(?=</li|<li\b|</ul|</ol|$)", re.DOTALL | re.IGNORECASE)
# What trackers and shop systems leave in texts: campaign parameters, placeholders of templates, order and tracking codes.
_TRACKING = re.compile(
    r"\b(?:utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|sessionid|trk(?:id)?|ref_?id)=[^\s&|]*&?"
    r"|\{\{.{0,80}?\}\}|\{%.{0,80}?%\}|\[\[.{0,80}?\]\]|%%\w+%%",
    re.IGNORECASE,
)
_BREAK = re.compile(r"\s+(?:[|•·»›‹«–—]|-{1,2}|::)\s+")
_SHOP_WORDS = re.compile(
    r"\b(?:shop|store|online|official site|offiziell\w*|buy (?:now|online)|free shipping|free delivery|best prices?|sale|"
    r"[\w-]+\.(?:com|net|org|de|fr|co\.uk|shop|store|eu|it|es|nl|pl))\b",
    re.IGNORECASE,
)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NUMBER = re.compile(r"\d[\d.,'’\u00a0\u202f ]*\d|\d")
_CODE = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
# Signs that stand for one currency; "$", "¥" and "kr" stand for several.
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "₺": "TRY", "₽": "RUB", "zł": "PLN", "Kč": "CZK", "₪": "ILS"}
_PRICE_WORDS = (
    r"(?:from|only|now|was|sale|price|ab|nur|jetzt|preis|à partir de|desde|incl\.?|vat|tax|mwst\.?|each|pro|per)"
)
_JUST_A_PRICE = re.compile(
    rf"(?:{_PRICE_WORDS}|[\s:.,'’*\-–/()]|\d|[$€£¥₹₩₺₽₪]|zł|Kč|kr\.?|\b[A-Z]{{3}}\b)+", re.IGNORECASE
)


def plain(text: Any) -> str:
    """One line of text: entities and tags out, tracking codes out, encodings mended, white space squeezed."""
    return clean_text(_TRACKING.sub(" ", _without_markup(text)))


def _without_markup(text: Any) -> str:
    # Cut before any pattern is looked for, which a hostile text could make slow; unescaped twice, since shops escape what
    # their system escapes again.
    return _TAG.sub(" ", html.unescape(html.unescape(str(text)[:MAX_MARKUP]))[:MAX_MARKUP])


def title_fault(text: Any) -> str | None:
    """Why a title as it was found cannot serve as one, or None."""
    given = _without_markup(text) if text is not None else ""
    if any((unicodedata.category(c) == "Cc" and not c.isspace()) or c in _BIDI for c in given):
        return "title has control characters"
    cleaned = plain(given)
    if "\ufffd" in cleaned:
        return "title has characters that cannot be read"
    if not any(c.isalpha() for c in cleaned):
        return "title is a price" if any(c.isdigit() for c in cleaned) else "title is empty"
    if _JUST_A_PRICE.fullmatch(cleaned) and any(c.isdigit() for c in cleaned):
        return "title is a price"
    return None


def clean_title(text: Any, shop: str = "") -> str:
    """The product's name: cleaned as `plain`, without the shop's name and slogans behind it, at most 300 characters.

    shop: the site's name or host, where it is known; only parts behind a bar or dash that name it, or that advertise, go.
    """
    parts = _BREAK.split(plain(text))
    marks = _BREAK.findall(plain(text))
    named = _letters(shop)
    while len(parts) > 1:
        last = _letters(parts[-1])
        own = bool(named) and len(last) > 2 and (last in named or named in last)
        if not (own or _SHOP_WORDS.search(parts[-1]) or not last):
            break
        parts.pop()
    while len(parts) > 1 and named and len(_letters(parts[0])) > 2 and _letters(parts[0]) == named:
        parts.pop(0)
        marks = marks[1:]
    kept = parts[0] + "".join(mark + part for mark, part in zip(marks, parts[1:]))
    return _cut(" ".join(kept.split()), MAX_TITLE)


def clean_description(text: Any, title: str = "") -> str | None:
    """The description cleaned as `plain`; None where nothing is left, or nothing but the title."""
    cleaned = plain(text) if text is not None else ""
    return None if not cleaned or _letters(cleaned) == _letters(title) else cleaned


def bullets_of(text: Any) -> list[str]:
    """The items of the lists in a description that is HTML."""
    return clean_bullets(_ITEM.findall(html.unescape(str(text)[:MAX_MARKUP]))) if text is not None else []


def clean_bullets(texts: Iterable[Any]) -> list[str]:
    """Cleaned, each once, at most 50 of at most 300 characters; empty ones are left out."""
    cleaned = (_cut(plain(text).lstrip("•·*- "), MAX_BULLET) for text in texts if text is not None)
    return list(dict.fromkeys(each for each in cleaned if each))[:MAX_BULLETS]


def captions_of(title: str, brand: str | None, description: str | None, bullets: list[str]) -> list[str]:
    """The two caption forms of LGS (section 3.5): title with brand, and the description, or else the joined bullets."""
    whole = f"{title}, {brand}" if brand and _letters(brand) not in _letters(title) else title
    body = description or "; ".join(bullets)
    return [whole, *([body] if body and body != whole else [])]


def price_of(value: Any) -> float | None:
    """The number in a price: "1.299,00 €", "USD 1,299", "from 12.90"; of a range the lower. None if there is no price in it.

    A lone separator with three digits behind it separates thousands ("1.299"), any other is the decimal point.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        number = float(value)
        return number if math.isfinite(number) and number >= 0 else None
    text = unicodedata.normalize("NFKC", html.unescape(str(value))).replace("−", "-").strip()
    if len(text) > 60 or re.match(r"[^\d\w]*-\s*\d", text) or re.search(r"\d\s*%|[a-z]\d|\d[a-z]", text.lower()):
        return None
    found = _NUMBER.search(text)
    return _figure(found[0]) if found else None


def _figure(digits: str) -> float | None:
    plainly = re.sub(r"['’\s]", "", digits)
    marks = re.findall(r"[.,]", plainly)
    if not marks:
        return float(plainly)
    last = max(plainly.rfind("."), plainly.rfind(","))
    whole, cents = plainly[:last], plainly[last + 1 :]
    thousands = len(set(marks)) == 1 and len(cents) == 3 and (len(marks) > 1 or len(whole) <= 3) and whole != "0"
    if thousands:
        return float(re.sub(r"[.,]", "", plainly))
    if len(set(marks)) == 1 and len(marks) > 1:  # 12.05.2026 is not a price
        return None
    return float(f"{re.sub(r'[.,]', '', whole) or '0'}.{cents or '0'}")


def currency_of(value: Any) -> str | None:
    """The ISO 4217 code in a text ("eur", "15.00 USD", "12 €"), or None; signs that several currencies share say nothing."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"[A-Za-z]{3}", text):
        return text.upper()
    found = _CODE.search(text)
    return found[0] if found else next((code for sign, code in _SIGNS.items() if sign in text), None)


def path_of(value: Any, title: str = "") -> list[str]:
    """A category as its steps from the top: "Home > Women > Dresses" or a list; the start page and the product itself go."""
    steps = (
        value
        if isinstance(value, (list, tuple))
        else re.split(r"\s*[>»›|]\s*|\s+/\s+|(?<=\w)/(?=\w)", str(value or ""))
    )
    cleaned = [plain(step) for step in steps if step is not None]
    kept = [step for step in cleaned if step and any(c.isalpha() for c in step)]
    if kept and kept[0].casefold() in ("home", "start", "startseite", "homepage", "accueil", "inicio", "shop", "all"):
        kept = kept[1:]
    if kept and title and _letters(kept[-1]) == _letters(title):
        kept = kept[:-1]
    return [_cut(step, MAX_BULLET) for step in dict.fromkeys(kept)]


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _cut(text: str, most: int) -> str:
    """The text, or as many of its whole words as fit."""
    return text if len(text) <= most else text[: most + 1].rpartition(" ")[0] or text[:most]
