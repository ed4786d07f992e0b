"""Fetching image links from the web: politely, safely, and with one named status for every link."""

from importlib.util import find_spec

from veduta.errors import MissingPackage

if find_spec("httpx") is None or find_spec("httpcore") is None:
    raise MissingPackage("httpx", needed_by="fetching from the web", extra="web")

from veduta.pool.fetch.fetcher import Fetcher
from veduta.pool.fetch.outcome import Outcome, Policy, Status

__all__ = ["Fetcher", "Outcome", "Policy", "Status"]
