"""A report: sections of text, figures and pictures, saved as one page that asks the network for nothing, and as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from veduta.errors import BadInput
from veduta.judge import items, words
from veduta.judge.charts import Bars, Histogram
from veduta.judge.items import Card, Cards, Column, Commands, Heading, Note, Table, Text, Tone
from veduta.judge.pictures import Figure, Group, Groups, Picture, Pictures
from veduta.judge.scatter import Scatter

__all__ = ["Bars", "Card", "Figure", "Group", "Histogram", "Picture", "Report", "Scatter", "Section", "Table"]

HTML = Path(__file__).parent / "html"


class Item(Protocol):
    """Anything a section may hold: `kind` names its macro in the template, `facts` goes to the JSON."""

    @property
    def kind(self) -> str: ...

    def facts(self) -> dict[str, Any]: ...


@dataclass(slots=True)
class Section:
    """A chapter of a report. Every method adds one item and returns the section."""

    title: str
    anchor: str
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> Section:
        """Add an item made elsewhere."""
        self.items.append(item)
        return self

    def text(self, text: str) -> Section:
        """Paragraphs in markdown-lite: blank lines, "- " bullets, **bold**, `code`; all else is plain text."""
        return self.add(Text(text))

    def heading(self, text: str, aside: str = "") -> Section:
        """A heading inside the section, with a quiet remark beside it."""
        return self.add(Heading(text, aside))

    def note(self, text: str, tone: Tone = "info") -> Section:
        """A boxed remark: "info", "good", "warn" or "bad"."""
        return self.add(Note(text, tone))

    def cards(self, cards: Iterable[Card]) -> Section:
        """Key figures side by side."""
        return self.add(Cards(list(cards)))

    def table(
        self,
        data: pa.Table | Iterable[Mapping[str, Any]],
        *,
        title: str = "",
        columns: Mapping[str, Column] | None = None,
        note: str = "",
        limit: int = 200,
    ) -> Section:
        """A sortable table from an Arrow table or dicts; numbers stand right, `columns` overrules the found kinds."""
        return self.add(Table.of(data, title=title, columns=columns, note=note, limit=limit))

    def bars(self, title: str, values: Mapping[str, float] | Sequence[tuple[str, float]], **options: Any) -> Section:
        """Named counts as bars."""
        return self.add(Bars(title, list(values.items() if isinstance(values, Mapping) else values), **options))

    def histogram(self, values: np.ndarray, *, title: str, **options: Any) -> Section:
        """The distribution of numbers; options as for `Histogram.of`."""
        return self.add(Histogram.of(values, title=title, **options))

    def figure(self, figure: Any, *, alt: str, caption: str = "") -> Section:
        """A matplotlib figure or Pillow image; `alt` says in words what it shows."""
        return self.add(Figure.of(figure, alt=alt, caption=caption))

    def images(self, pictures: Iterable[Picture], **options: Any) -> Section:
        """A grid of pictures; options as for `Pictures` (title, note, fit)."""
        return self.add(Pictures(list(pictures), **options))

    def groups(self, groups: Iterable[Group], **options: Any) -> Section:
        """Groups of pictures as cards; options as for `Groups` (fit)."""
        return self.add(Groups(list(groups), **options))

    def commands(self, commands: Iterable[tuple[str, str]]) -> Section:
        """Command lines to copy, each with what it does."""
        return self.add(Commands(list(commands)))


@dataclass(slots=True)
class Report:
    """What was measured, for people (HTML) and programs (JSON).

        report = Report("Nearest neighbours", subtitle="cifar10.vd")
        report.section("Result").cards([Card(0.913, "accuracy")]).table(rows)
        report.save("cifar10.vd/reports", "knn")

    verdict: the outcome in one sentence; facts: anything more that only the JSON keeps.
    """

    title: str
    subtitle: str = ""
    verdict: str = ""
    tone: Tone = ""
    cards: list[Card] = field(default_factory=list)
    banner: Picture | None = None
    sections: list[Section] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    footer: str = ""

    def section(self, title: str) -> Section:
        """Begin a new section."""
        stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        taken = {section.anchor for section in self.sections}
        anchor = next(a for a in (stem, *(f"{stem}-{i}" for i in range(2, len(taken) + 3))) if a not in taken)
        self.sections.append(Section(title, anchor))
        return self.sections[-1]

    def to_json(self) -> str:
        """Everything the report says, without pixels; valid JSON (no NaN)."""
        content = {
            "title": self.title,
            "subtitle": self.subtitle,
            "verdict": self.verdict,
            "figures": Cards(self.cards).facts()["cards"],
            "facts": items.plain(self.facts),
            "sections": [
                {"title": s.title, "items": [{"kind": item.kind, **item.facts()} for item in s.items]}
                for s in self.sections
            ],
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """The page: style, script and pictures inside, everything escaped, a policy that forbids any request."""
        style, script = _read("report.css"), _read("report.js")
        policy = (
            f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        )
        page = _environment().get_template("report.html.j2")
        return page.render(report=self, style=style, script=script, policy=policy, marked=_marked, words=words).lstrip()

    def save(self, folder: str | Path, name: str = "report") -> Path:
        """Write `<name>.html` and `<name>.json` into `folder` (made if need be) and return the path of the page."""
        from veduta.pool.durable import write_atomically

        if not re.fullmatch(r"[^/\\\0]+", name) or name in (".", ".."):
            raise BadInput(f"name of a report must be a file name without folders, got {name!r}; give the folder apart")
        page = Path(folder) / f"{name}.html"
        write_atomically(Path(folder) / f"{name}.json", _encodable(self.to_json()))
        write_atomically(page, _encodable(self.to_html()))
        return page


def _encodable(text: str) -> str:
    """File names that are not UTF-8 come as lone surrogates, which no file can hold; they become replacement marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


@cache
def _read(name: str) -> str:
    return (HTML / name).read_text("utf-8")


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HTML), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _hash(text: str) -> str:
    """The source expression by which a content security policy admits exactly this inline block."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _marked(text: str) -> Any:
    """Markdown-lite to HTML; escaped first, so that no text can become markup of its own."""
    from markupsafe import Markup, escape

    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [_inline(str(escape(line.strip().removeprefix("- ")))) for line in block.strip().splitlines()]
        if block.lstrip().startswith("- "):
            blocks.append("<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>")
        else:
            blocks.append("<p>" + " ".join(lines) + "</p>")
    return Markup("".join(blocks))


def _inline(escaped: str) -> str:
    parts = re.split(r"`([^`]+)`", escaped)
    for i, part in enumerate(parts):
        parts[i] = f"<code>{part}</code>" if i % 2 else re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
    return "".join(parts)
