"""robots.txt after RFC 9309 and the robots headers of a response.

Python's own `urllib.robotparser` knows neither the wildcards nor the longest-match rule of the RFC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

# The RFC asks for at least 500 KiB to be read.
MAX_ROBOTS = 512 << 10


class Robots:
    """The rules of one robots.txt that concern one agent."""

    def __init__(self, text: str, agent: str) -> None:
        own, general, named = [], [], False
        agents: list[str] = []
        in_rules = False
        for line in text[:MAX_ROBOTS].lstrip("\ufeff").splitlines():
            name, colon, value = line.split("#", 1)[0].partition(":")
            name, value = name.strip().lower(), value.strip()
            if not colon:
                continue
            if name == "user-agent":
                agents = [] if in_rules else agents
                in_rules = False
                agents.append(value.lower())
                named = named or _product(agent) == value.lower()
            elif name in ("allow", "disallow"):
                in_rules = True
                if _product(agent) in agents:
                    own.append((name == "allow", value))
                elif "*" in agents:
                    general.append((name == "allow", value))
        rules = own if named else general
        self._rules = [
            (allow, len(path), [_canonical(part) for part in path.removesuffix("$").split("*")], path.endswith("$"))
            for allow, path in rules
            if path
        ]

    def allows(self, path: str) -> bool:
        """Whether the path (with its query) may be fetched: the longest matching rule decides, `allow` wins a tie."""
        path = _canonical(path or "/")
        hits = [(length, allow) for allow, length, parts, end in self._rules if _matches(parts, end, path)]
        return max(hits)[1] if hits else True


def _product(agent: str) -> str:
    """The product token: `Veduta/1.0 (+mail)` -> `veduta`."""
    return re.split(r"[/\s(]", agent.strip(), maxsplit=1)[0].lower()


def _canonical(path: str) -> str:
    return quote(unquote(path), safe="/?&=*$%:;,@+!~'()[]#")


def _matches(parts: list[str], end: bool, path: str) -> bool:
    """Whether the literal parts, with anything between them, begin the path (and `end` it).

    Taking the leftmost place for each part never loses a match, so the time stays linear whatever the rules say.
    """
    if not path.startswith(parts[0]):
        return False
    at = len(parts[0])
    if end and len(parts) == 1:
        return at == len(path)
    for part in parts[1 : -1 if end else None]:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return not end or (path.endswith(parts[-1]) and len(path) - len(parts[-1]) >= at)


def opt_out(headers: Iterable[tuple[str, str]], words: Iterable[str], agent: str) -> str | None:
    """The header that forbids the use of an image, or None.

    headers: (lower-case name, value). `X-Robots-Tag` may name agents ("otherbot: noai, noindex"); words after
    another agent's name do not count. `tdm-reservation: 1` is the W3C community's text-and-data-mining opt-out.
    """
    forbidden = {word.lower() for word in words}
    if not forbidden:
        return None
    for name, value in headers:
        if name == "tdm-reservation" and value.strip() == "1":
            return "tdm-reservation: 1"
        if name != "x-robots-tag":
            continue
        ours = True
        for part in value.lower().split(","):
            head, colon, rest = part.partition(":")
            if colon and head.strip() not in (
                "unavailable_after",
                "max-snippet",
                "max-image-preview",
                "max-video-preview",
            ):
                ours = head.strip() in ("*", _product(agent))
                part = rest
            if ours and part.strip() in forbidden:
                return f"x-robots-tag: {part.strip()}"
    return None
