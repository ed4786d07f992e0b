"""Pages of a list of links: fetched once, one after the other, and kept beside the list."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from veduta.errors import SourceError
from veduta.pool.durable import write_atomically
from veduta.pool.fetch import Fetcher, Outcome, Policy, Status
from veduta.pool.readers.web_clean import is_web_link

LISTS = (".txt", ".urls")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One page of the list: its address after redirects, its bytes, or the reason why there are none."""

    asked: str
    url: str
    content: bytes = b""
    reason: str = ""


def links_of(path: Path) -> list[str]:
    """The links of a list, one a line, each once; lines that begin with # are remarks."""
    try:
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from None
    return list(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")))


def page_policy(policy: Policy) -> Policy:
    """The limits for pages: short bodies are fine, long ones are not, and few at a time."""
    return replace(policy, min_bytes=1, max_bytes=min(policy.max_bytes, 16 << 20), workers=min(policy.workers, 8))


def crawl(links: Sequence[str], keep: Path | None, policy: Policy, delay: float) -> Iterator[Fetched]:
    """Every page in the order of the list.

    keep: a folder, which must be there, in which fetched pages stay, so that a crawl that was ended goes on and a later one asks for nothing
    again; delete a page, or the folder, to have it fetched anew. delay: seconds between two requests to one host. Nothing
    but what `Fetcher` allows is fetched (robots.txt, public addresses at every hop, sizes, times). Memory: 16 pages.
    """
    with Fetcher(page_policy(policy)) as fetcher:
        last: dict[str, float] = {}
        ahead: deque[tuple[str, Future[Outcome] | Fetched]] = deque()
        for link in links:
            ahead.append((link, _kept(keep, link) or _start(fetcher, link, last, delay)))
            if len(ahead) >= 8:
                yield _finished(*ahead.popleft(), keep)
        while ahead:
            yield _finished(*ahead.popleft(), keep)


def _start(fetcher: Fetcher, link: str, last: dict[str, float], delay: float) -> Future[Outcome] | Fetched:
    if not is_web_link(link):
        return Fetched(link, link, reason=str(Status.NOT_A_LINK))
    host = urlsplit(link).netloc.lower()
    wait = last.get(host, -delay) + delay - time.monotonic() if host in last else 0.0
    if wait > 0:
        time.sleep(wait)
    last[host] = time.monotonic()
    return fetcher.start(link)


def _finished(link: str, work: Future[Outcome] | Fetched, keep: Path | None) -> Fetched:
    if isinstance(work, Fetched):
        return work
    outcome = work.result()
    if outcome.status is not Status.FETCHED:
        return Fetched(link, outcome.url, reason=str(outcome))
    if keep is not None:
        write_atomically(_place(keep, link), b"%s\n%s" % (outcome.url.encode(), outcome.data))
    return Fetched(link, outcome.url, outcome.data)


def _kept(keep: Path | None, link: str) -> Fetched | None:
    if keep is None:
        return None
    try:
        url, _, content = _place(keep, link).read_bytes().partition(b"\n")
    except OSError:
        return None
    return Fetched(link, url.decode("utf-8", "replace"), content)


def _place(keep: Path, link: str) -> Path:
    return keep / f"{hashlib.sha256(link.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.page"
