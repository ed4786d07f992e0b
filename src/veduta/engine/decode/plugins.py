"""Decoders of packages that may or may not be installed, by the entry-point group `veduta.decoders`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from veduta.engine.decode import kinds
from veduta.engine.decode.raster import MAX_PIXELS, Decoded, Raster, finish
from veduta.errors import MissingPackage, Undecodable

GROUP = "veduta.decoders"

# As much of a file's beginning as a decoder sees before it says whether the file is its own.
HEAD = 1 << 16


class Decoder(Protocol):
    """One format or family of formats.

    name: for a person ("HEIC"). claims: whether a file that begins so is one. decode: its samples; raises Undecodable,
    or whatever its library raises, for damaged files, and MissingPackage where the library is not installed. Sizes
    above `limit` pixels are refused before memory is taken. Both are called from several threads at once.
    """

    name: str

    def claims(self, head: bytes) -> bool: ...

    def decode(self, data: bytes, limit: int) -> Raster: ...


@cache
def decoders() -> tuple[Decoder, ...]:
    """All registered decoders, by their entry points' names; those of other packages first."""
    found = sorted(entry_points(group=GROUP), key=lambda e: (e.module.startswith("veduta."), e.name))
    loaded: list[Decoder] = []
    for entry in found:
        try:
            loaded.append(entry.load()())
        except Exception:  # noqa: BLE001 - a broken package of somebody else must not cost the pictures of all others
            continue
    return tuple(loaded)


def ask(data: bytes, side: int | None) -> Decoded | None:
    """The picture of a file that a registered decoder claims; None if none does."""
    head = data[:HEAD]
    decoder = next((d for d in decoders() if _claims(d, head)), None)
    return None if decoder is None else _decode(decoder, data, side)


def _claims(decoder: Decoder, head: bytes) -> bool:
    try:
        return bool(decoder.claims(head))
    except Exception:  # noqa: BLE001 - a decoder that stumbles over a file does not read it
        return False


def _decode(decoder: Decoder, data: bytes, side: int | None) -> Decoded:
    try:
        return finish(decoder.decode(data, MAX_PIXELS), side)
    except Undecodable:
        raise
    except MissingPackage:
        raise Undecodable(kinds.missing(decoder.name)) from None
    except MemoryError:
        raise Undecodable("no memory for the pixels") from None
    except Exception as error:  # noqa: BLE001 - libraries raise many types on damaged files; each is a verdict on the file
        raise Undecodable(f"corrupt {decoder.name}: {kinds.words(error)}") from None
