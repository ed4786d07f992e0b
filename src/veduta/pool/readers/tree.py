"""The files of a source behind one surface, be it a folder, a zip or a tar: layouts and sidecars read through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from veduta.pool.readers.notes import Notes


@dataclass(slots=True, frozen=True)
class File:
    """One visible file. path: "/"-separated below the root, valid UTF-8; uri: "" if it has no address of its own.

    stamp: changes whenever the content may have changed. read: the bytes; raises OSError or SourceError.
    """

    path: str
    uri: str
    stamp: Callable[[], str]
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path of the folder that it lies in; "" for the root."""
        return self.path.rpartition("/")[0]


class Tree(Protocol):
    """Files below a root. `files` streams them sorted by path (a packed tar in its own order), hidden ones left out."""

    name: str

    def files(self, notes: Notes) -> Iterator[File]: ...

    def find(self, path: str) -> File | None:
        """The file at a path below the root; None where there is none or it is hidden. Never leaves the root."""
        ...

    def place(self, path: str) -> str:
        """A URI under which the file at `path` can be opened and sought: its own, or that of a temporary copy."""
        ...
