"""Image and text encoders behind one protocol, named by a URI.

`load("offline")` needs no download; `onnx:PATH`, `timm:NAME`, `open_clip:ARCH/TAG` and `run:FOLDER` open others. Packages may add
schemes by an entry point of the group `veduta.encoders`: the scheme is its name, and it points to a function
`(name, options, threads) -> Encoder`, where a URI is `scheme:name?option=value&...`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from urllib.parse import parse_qsl

from veduta.encode.base import Encoder
from veduta.errors import EncoderError

__all__ = ["Encoder", "load", "schemes", "shared"]

Opener = Callable[[str, dict[str, str], int], Encoder]

_OWN = {
    "offline": "veduta.encode.offline:load",
    "onnx": "veduta.encode.onnx:load",
    "timm": "veduta.encode.timm:load",
    "open_clip": "veduta.encode.open_clip:load",
    "run": "veduta.encode.run:load",
}


def load(uri: str, threads: int = 1) -> Encoder:
    """The encoder that `uri` names. `threads`: cores that one call may use; calls may run side by side.

    Raises EncoderError for an unknown scheme, an unknown option or a model that cannot be had, MissingPackage where an
    optional package lacks.
    """
    scheme, _, rest = uri.partition(":")
    name, _, query = rest.partition("?")
    if threads < 1:
        raise EncoderError(f"threads must be at least 1, got {threads}")
    known = schemes()
    if scheme not in known:
        raise EncoderError(
            f"The encoder '{uri}' is unknown; an encoder is 'offline' or starts with one of: "
            + ", ".join(f"{each}:" for each in sorted(known) if each != "offline")
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    return known[scheme]()(name, options, threads)


@functools.cache
def shared(uri: str) -> Encoder:
    """The encoder that `uri` names, opened once a process; for worker threads that bring their own parallelism."""
    return load(uri)


def schemes() -> dict[str, Callable[[], Opener]]:
    """Every known scheme, each with a function that imports its opener."""
    found: dict[str, Callable[[], Opener]] = {point.name: point.load for point in entry_points(group="veduta.encoders")}
    for scheme, place in _OWN.items():
        module, _, function = place.partition(":")
        found[scheme] = lambda module=module, function=function: getattr(importlib.import_module(module), function)
    return found
