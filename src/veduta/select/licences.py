"""What a licence is called: the many ways in which sources write Creative Commons licences, made comparable."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORDS = (
    (r"creative\s*commons", "cc"),
    (r"public\s*domain\s*(dedication|zero)", "cc0"),
    (r"public\s*domain(\s*mark)?", "pdm"),
    (r"attribution", "by"),
    (r"non[\s-]*commercial", "nc"),
    (r"no[\s-]*deriv(ative)?s?(\s*works)?", "nd"),
    (r"share[\s-]*alike", "sa"),
    (r"\bcc[\s-]*zero\b", "cc0"),
)
_NEUTRAL = {
    "cc",
    "license",
    "licence",
    "licensed",
    "the",
    "under",
    "international",
    "generic",
    "unported",
    "universal",
    "v",
}
_PARTS = ("by", "nc", "sa", "nd")


class Licence(NamedTuple):
    """name: CC-BY, CC-BY-NC-SA, CC0, PDM, or the text in lower case; version: "4.0", "" where none is named."""

    name: str
    version: str = ""


def licence(text: str) -> Licence:
    """What a text names: `CC BY 4.0`, `http://creativecommons.org/licenses/by/4.0/`, `Attribution License` are all CC-BY.

    A text that says more than that is not a known licence, and is compared as it stands: what is doubtful is not allowed.
    """
    lower = " ".join(text.lower().split())
    link = re.search(r"creativecommons\.org/(?:licenses/([a-z-]+)|publicdomain/(zero|mark))(?:/([\d.]+))?", lower)
    if link:
        code, public, version = link.groups()
        name = {"zero": "CC0", "mark": "PDM"}.get(public or "") or _name(set((code or "").split("-")))
        return Licence(name, version or "") if name else Licence(lower)
    plain = lower
    for pattern, short in _WORDS:
        plain = re.sub(pattern, f" {short} ", plain)
    tokens = re.findall(r"[a-z]+\d?(?![.\d])|\d+(?:\.\d+)?", plain)
    numbers = [token for token in tokens if token[0].isdigit()]
    named = {token for token in tokens if not token[0].isdigit()} - _NEUTRAL
    name = {frozenset({"cc0"}): "CC0", frozenset({"pdm"}): "PDM"}.get(frozenset(named)) or _name(named)
    return Licence(name, numbers[0] if numbers else "") if name and len(numbers) < 2 else Licence(lower)


def _name(parts: set[str]) -> str:
    """`CC-BY-NC-SA` from its parts; "" where they are not the parts of one licence."""
    if "by" not in parts or parts - set(_PARTS) or {"sa", "nd"} <= parts:
        return ""
    return "-".join(["CC", *(part.upper() for part in _PARTS if part in parts)])


def allowed(text: str, among: list[Licence]) -> bool:
    """Whether a text names one of the licences; one without a version stands for all its versions."""
    own = licence(text)
    return any(own.name == one.name and one.version in ("", own.version) for one in among)
