"""One link, taken apart for a request."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore

MAX_LINK = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """A normalised http(s) link. origin: scheme://host:port; path: with the query; host: the Host header."""

    link: str
    url: httpcore.URL
    origin: str
    host: bytes
    path: str

    @classmethod
    def of(cls, link: str) -> Target | None:
        """None if `link` is not an http(s) link to a host, is too long or carries a name and password."""
        import httpx

        if len(link) > MAX_LINK:
            return None
        try:
            url = httpx.URL(link.strip())
            if url.scheme not in ("http", "https") or not url.host or url.userinfo:
                return None
            port = url.port or (443 if url.scheme == "https" else 80)
            raw = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
            origin = f"{url.scheme}://{url.raw_host.decode()}:{port}"
            return cls(link, raw, origin, url.netloc, url.raw_path.decode("ascii"))
        except (httpx.InvalidURL, ValueError, TypeError):
            return None

    def join(self, location: str) -> str:
        """The link that a redirect to `location` leads to."""
        try:
            return urljoin(self.link, location)
        except ValueError:
            return location
