"""Pictures in a report: pixels inside the page, with words around them."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from veduta.errors import BadInput
from veduta.judge.items import Tone, plain

_SOURCE = re.compile(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]*\Z")


@dataclass(slots=True)
class Picture:
    """One picture of a grid.

    src: a data URI (see `veduta.judge.thumbnails`); "" shows a placeholder instead.
    lines: small lines under the caption, each text or (text, tone); badge: a word on the picture; tone: its frame.
    facts: what the larger view tells, name -> value; row: the pool's row position, for the JSON.
    """

    caption: str = ""
    src: str = ""
    width: int = 0
    height: int = 0
    lines: list[str | tuple[str, Tone]] = field(default_factory=list)
    badge: str = ""
    tone: Tone = ""
    facts: dict[str, Any] = field(default_factory=dict)
    row: int | None = None
    missing: str = "no preview"

    def source(self) -> str:
        """`src`, refused unless it is pixels inside the page: a report never asks the network for anything."""
        if self.src and not _SOURCE.match(self.src):
            raise BadInput(
                f"the picture '{self.caption}' has the source '{self.src[:60]}'; give a base64 data URI of an image"
            )
        return self.src

    @property
    def toned(self) -> list[tuple[str, Tone]]:
        return [(line, "") if isinstance(line, str) else line for line in self.lines]

    def named(self) -> dict[str, Any]:
        lines = [text for text, _ in self.toned]
        own = {
            "caption": self.caption,
            "row": self.row,
            "badge": self.badge,
            "lines": lines,
            "facts": plain(self.facts),
        }
        return {key: value for key, value in own.items() if value not in (None, "", [], {})}


@dataclass(slots=True)
class Pictures:
    """A grid of pictures; `fit` "cover" crops them to squares, "contain" shows them whole."""

    kind: ClassVar[str] = "pictures"
    pictures: list[Picture]
    title: str = ""
    note: str = ""
    fit: Literal["cover", "contain"] = "contain"

    def facts(self) -> dict[str, Any]:
        return {"title": self.title, "note": self.note, "pictures": [picture.named() for picture in self.pictures]}


@dataclass(slots=True)
class Group:
    """Pictures that belong together, with a name; `colour` (>= 0) is the group's colour in a scatter."""

    title: str
    pictures: list[Picture]
    note: str = ""
    colour: int = -1


@dataclass(slots=True)
class Groups:
    """Groups of pictures as cards: clusters (four pictures a line), or `narrow`, duplicate groups (two a line)."""

    kind: ClassVar[str] = "groups"
    groups: list[Group]
    fit: Literal["cover", "contain"] = "cover"
    narrow: bool = False

    def facts(self) -> dict[str, Any]:
        return {
            "groups": [
                {"title": g.title, "note": g.note, "pictures": [picture.named() for picture in g.pictures]}
                for g in self.groups
            ]
        }


@dataclass(slots=True)
class Figure:
    """A drawn figure as pixels; `alt` says in words what it shows."""

    kind: ClassVar[str] = "figure"
    src: str
    alt: str
    caption: str = ""
    width: int = 0
    height: int = 0

    @classmethod
    def of(cls, figure: Any, *, alt: str, caption: str = "", dpi: int = 144) -> Figure:
        """From a matplotlib figure (as PNG, twice as fine as a screen) or a Pillow image."""
        out = io.BytesIO()
        if hasattr(figure, "savefig"):
            figure.savefig(out, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
            width, height = (int.from_bytes(out.getvalue()[at : at + 4], "big") // 2 for at in (16, 20))
        else:
            figure.convert("RGB").save(out, "PNG")
            width, height = figure.size
        return cls("data:image/png;base64," + base64.b64encode(out.getvalue()).decode(), alt, caption, width, height)

    def source(self) -> str:
        """See `Picture.source`."""
        return Picture(self.alt, self.src).source()

    def facts(self) -> dict[str, Any]:
        return {"alt": self.alt, "caption": self.caption}
