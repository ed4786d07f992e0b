"""What may be fetched, and how a fetch can end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from veduta.errors import BadInput

# `noai` and `noimageai` are what art platforms send; `noindex`, `noimageindex` and `none` are the older words.
OPT_OUTS = ("noai", "noimageai", "noindex", "noimageindex", "none")


class Status(StrEnum):
    """How a fetch ended. Every link ends in exactly one of these."""

    FETCHED = "fetched"
    NOT_A_LINK = "not a web link"
    ADDRESS = "address not allowed"
    ROBOTS = "disallowed by robots.txt"
    OPTED_OUT = "opted out by its server"
    DEAD = "dead link"
    REFUSED = "refused by its server"
    SERVER = "server error"
    TIMEOUT = "timeout"
    BROKEN = "transfer broken"
    REDIRECTS = "too many redirects"
    TOO_SMALL = "too small"
    TOO_LARGE = "too large"
    PIXELS = "too many pixels"

    @property
    def passing(self) -> bool:
        """Whether another attempt may end better."""
        return self in (Status.SERVER, Status.TIMEOUT, Status.BROKEN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one fetch. data: the body's bytes if status is FETCHED, else b"". url: after redirects."""

    status: Status
    url: str
    data: bytes = b""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}" if self.detail else str(self.status)


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and manners of a fetcher.

    workers: requests at a time; per_host: of these to one host. timeout: seconds for one attempt with all its
    redirects; attempts: tries where the failure may pass; pause: seconds before the second try, doubled for each more.
    min_bytes, max_bytes: of a body; max_pixels: width x height, from the header (the figures of LAION's `dbdl.py`).
    robots: obey robots.txt (RFC 9309). opt_outs: words of `X-Robots-Tag` that forbid an image; a `tdm-reservation: 1`
    header forbids it too if there is any word. allow_private: connect to private, loopback and link-local addresses,
    for tests and for archives of one's own; private_hosts: only to these, whatever link names them. agent: what the fetcher calls itself; add a contact when crawling at scale.
    """

    workers: int = 64
    per_host: int = 4
    timeout: float = 20.0
    attempts: int = 2
    pause: float = 1.0
    redirects: int = 5
    min_bytes: int = 5_000
    max_bytes: int = 64 << 20
    max_pixels: int = 89_478_484
    robots: bool = True
    opt_outs: tuple[str, ...] = OPT_OUTS
    allow_private: bool = False
    private_hosts: tuple[str, ...] = ()
    agent: str = "veduta"

    def __post_init__(self) -> None:
        for name in ("workers", "per_host", "attempts", "max_bytes", "max_pixels"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} of the fetch policy must be at least 1, got {getattr(self, name)}")
        for name in ("redirects", "min_bytes", "pause"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} of the fetch policy must not be negative, got {getattr(self, name)}")
        if self.timeout <= 0:
            raise BadInput(f"timeout of the fetch policy must be positive, got {self.timeout}")
        object.__setattr__(self, "private_hosts", tuple(map(_host, self.private_hosts)))
        if not self.agent or not self.agent.isascii() or not self.agent.isprintable():
            raise BadInput(f"agent of the fetch policy must be printable ASCII, got {self.agent!r}")

    def trusting(self, hosts: Sequence[str] | str) -> Policy:
        """The same policy, which also connects to these hosts of one's own network. Raises BadInput for what is not a host."""
        more = [hosts] if isinstance(hosts, str) else list(hosts)
        return replace(self, private_hosts=(*self.private_hosts, *more)) if more else self


def _host(text: str) -> str:
    """A host as connections name it: lower case, punycode, without scheme and port."""
    import httpx

    bare = text.strip()
    bare = f"[{bare}]" if bare.count(":") > 1 and not re.search(r"[\[/]", bare) else bare
    try:
        host = httpx.URL(bare if "://" in bare else f"http://{bare}").raw_host.decode()
    except (httpx.InvalidURL, ValueError):
        host = ""
    if not re.fullmatch(r"[\w.:-]+", host):
        raise BadInput(
            f"allow_private (--allow-private) takes a host such as nas.local or 192.168.1.20, got {text!r:.60}"
        )
    return host
