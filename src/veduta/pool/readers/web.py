"""The web as a source of images: pages, archives of pages or tables of links, to image-text rows.

Two steps of LAION-5B (Schuhmann et al. 2022, arXiv 2210.08402, section 3): candidates, then downloads. A link that
cannot be fetched keeps its row; its `error` says how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from veduta.errors import BadInput, MissingPackage, SourceError
from veduta.pool.fetch import Fetcher, Policy
from veduta.pool.item import Item
from veduta.pool.readers import web_archives, web_html, web_links
from veduta.pool.readers.web_clean import NOT_A_LINK, UNREADABLE_PAGE, Candidate, Tally, accept
from veduta.pool.readers.web_fetch import Offered, saved_body, saved_stamp

Kind = Literal["archive", "html", "table"]
_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "archive": (".warc", ".warc.gz", ".wat", ".wat.gz"),
    "html": (".html", ".htm", ".xhtml", ".mhtml.html"),
    "table": (".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson"),
}


class WebReader:
    """Image-text pairs of the web for `pool.ingest`.

    source: a file, a folder (searched through) or a list of them: WAT or WARC archives, saved HTML pages, tables of
    (url, text). url, text: names of a table's columns. policy: limits and manners of fetching. allow_private: hosts
    of one's own network that links may name. languages: detect the language of each text. Columns of the rows: `captions`, `source_url`, `license`, and `language`, `page_url`.

    A row's key is the MD5 of link and text, and its stamp never changes: what was fetched once is not fetched again,
    what could not be read is tried again at the next ingest. Nothing is fetched before a row's bytes are asked for;
    then the rows offered meanwhile are fetched side by side, so that memory holds no more bodies than the caller
    holds items. `tally` says what became of every candidate; those that were not accepted never become rows.
    """

    partial = True
    """What it offers depends on what can be fetched now: nothing that it does not offer is known to be gone."""

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        *,
        policy: Policy | None = None,
        allow_private: Sequence[str] = (),
        url: str | None = None,
        text: str | None = None,
        languages: bool = True,
    ) -> None:
        for package in ("ftfy", "lxml", "py3langid", "warcio"):
            if find_spec(package) is None:
                raise MissingPackage(package, needed_by="the web reader", extra="web")
        many = [source] if isinstance(source, (str, Path)) else list(source)
        self.name = ", ".join(str(each) for each in many[:3]) + (", ..." if len(many) > 3 else "")
        self.policy = (policy or Policy()).trusting(allow_private)
        self.tally = Tally()
        self._files = _files(many)
        self._url, self._text, self._languages = url, text, languages
        self._fetcher = Fetcher(self.policy)
        self._offered = Offered(self._fetcher)

    def candidates(self) -> Iterator[Candidate]:
        """Accepted candidates in the order of the sorted files; restarts `tally`. Opens no connection."""
        self.tally = Tally()
        return accept(self._found(), self.tally, self._languages)

    def items(self) -> Iterator[Item]:
        self._offered.clear()
        for candidate in self.candidates():
            yield self._item(candidate)

    def columns(self) -> dict[str, pa.DataType]:
        found: dict[str, pa.DataType] = {}
        for kind, path, _ in self._files:
            if kind == "table":
                found = web_links.table_columns(path, self._url, self._text) | found
        return found | {"language": pa.string(), "page_url": pa.string()}

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(link, status) of the first thousand candidates that were not accepted; `tally` counts all."""
        return self.tally.examples

    def close(self) -> None:
        """End all connections."""
        self._fetcher.close()

    def _found(self) -> Iterator[Candidate]:
        for kind, path, root in self._files:
            if kind == "table":
                yield from web_links.table_candidates(path, self._url, self._text)
            elif kind == "archive":
                yield from web_archives.archive_candidates(path, self.tally)
            else:
                yield from self._saved_page(path, root)

    def _saved_page(self, path: Path, root: Path) -> Iterator[Candidate]:
        """A page without a web address of its own may point to images saved with it, never to anything outside `root`."""
        try:
            found = list(web_html.page_candidates(path.read_bytes()))
        except (OSError, ValueError) as error:
            self.tally.add(UNREADABLE_PAGE, f"{path}: {error}")
            return
        for each in found:
            if urlsplit(each.url).scheme:
                yield each
                continue
            file = (path.parent / unquote(urlsplit(each.url).path)).resolve()
            if file.is_relative_to(root) and file.is_file():
                place = file.relative_to(root).as_posix()
                yield Candidate(place, each.text, path.relative_to(root).as_posix(), each.license, file=str(file))
            else:
                self.tally.add(NOT_A_LINK, f"{path}: {each.url}")

    def _item(self, candidate: Candidate) -> Item:
        fields = {
            **candidate.fields,
            "captions": [candidate.text],
            "source_url": candidate.url,
            "license": candidate.license,
            "language": candidate.language,
            "page_url": candidate.page or None,
        }
        if candidate.file:
            path = Path(candidate.file)
            return Item(candidate.key, candidate.file, saved_stamp(path), lambda: saved_body(path, self.policy), fields)
        return Item(candidate.key, candidate.url, candidate.key, self._offered.reading(candidate.url), fields)


def _files(sources: Sequence[str | Path]) -> list[tuple[Kind, Path, Path]]:
    """(kind, file, the folder that its links must stay in) of every file to be read, sorted by path."""
    found: dict[Path, tuple[Kind, Path, Path]] = {}
    for source in sources:
        path = Path(source).resolve()
        if not path.exists():
            raise SourceError(f"the source {source} does not exist")
        if path.is_file():
            kind = _kind(path)
            if kind is None:
                known = ", ".join(s for suffixes in _SUFFIXES.values() for s in suffixes)
                raise BadInput(
                    f"{source} is not a web archive, page or table of links; its name must end in one of {known}"
                )
            found.setdefault(path, (kind, path, path.parent))
        else:
            for each in path.rglob("*"):
                kind = _kind(each)
                if kind and each.is_file() and each.resolve().is_relative_to(path):
                    found.setdefault(each, (kind, each, path))
    if not found:
        raise SourceError(
            f"no web archive, page or table of links in {', '.join(map(str, sources)) or 'an empty list'}"
        )
    return [found[path] for path in sorted(found)]


def _kind(path: Path) -> Kind | None:
    return next((kind for kind, suffixes in _SUFFIXES.items() if path.name.lower().endswith(suffixes)), None)
