"""`veduta view`: the server on an address, for as long as the program runs."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from veduta.app import guard
from veduta.app.server import STATIC, create_app, new_token
from veduta.app.session import Session
from veduta.app.view import embedding_of
from veduta.engine import process
from veduta.errors import BadInput
from veduta.search import approx, blocks
from veduta.search.space import with_text

TRIES = 20
"""Ports that are tried from the first one on."""

SEARCHED = 400 << 20
"""Bytes of vectors that stay in memory between searches; the rest of the server takes as much again."""

PREPARED = 100_000
"""Images up to which the vectors are read before the first search; beyond, they would keep the first page waiting."""

DELAY = 1.5
"""Seconds that the first page has for itself."""


def serve(path: Path, host: str, port: int, opened: bool, say: Callable[[str], None]) -> None:
    """Show a pool until the program is interrupted.

    host: 127.0.0.1 for this machine alone. Every visitor is asked for a token, which the address holds: a machine may have
    other users. port: the first one that is tried. opened: open a browser. say: receives the address.
    """
    import uvicorn

    from veduta.app.patience import Patient

    if not (STATIC / "index.html").exists():
        raise BadInput("the pages of the app are not built; run: make ui (it takes node 20 or newer and npm)")
    token, ticket = new_token(), new_token()
    hosts = guard.LOCAL if _loopback(host) else (*guard.LOCAL, *_names(host))
    app = create_app(path, token=token, hosts=hosts, tickets=(ticket,))
    blocks.CACHE_BYTES = SEARCHED
    process.return_freed()  # else each of the threads keeps the large blocks that it once had
    threading.Thread(target=_prepare, args=[app.state.session], name="prepare", daemon=True).start()
    listening = _listen(host, port)
    shown = _reached(host)
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}/?token="
    say(f"{path} is shown at {address}{token}\nCtrl-C ends it.")
    if opened:
        import webbrowser

        webbrowser.open(address + ticket)
    config = uvicorn.Config(app, http=Patient, log_level="warning", server_header=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run([listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, port + TRIES):
        # TCP by name: else asyncio leaves Nagle's algorithm on, and every answer waits 40 ms
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
        except OSError as error:
            listening.close()
            if not isinstance(error, socket.gaierror) and number < port + TRIES - 1 and error.errno == errno.EADDRINUSE:
                continue
            raise BadInput(
                f"the app cannot listen on {host} port {number}: {error.strerror or error}; name another --host or --port"
            ) from None
        listening.listen(128)  # a browser that comes before the server is up waits
        return listening
    raise AssertionError


def _prepare(session: Session) -> None:
    """Loads what the first search by words needs, so that it is not waited for; whatever fails is told to who searches."""
    time.sleep(DELAY)
    with suppress(Exception):
        pool = session.pool()
        space = with_text(pool, embedding_of(pool))
        space.text(["photo"])
        if len(pool) <= PREPARED and approx.current(pool, space.column) is None:
            blocks.cached(pool, space.column)


def _reached(host: str) -> str:
    """The address to type: where the server listens everywhere, that by which the network knows this machine."""
    if host not in ("0.0.0.0", "::"):
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))  # sends nothing; the system picks the way out
        return str(asked.getsockname()[0])
    return "::1" if ":" in host else "127.0.0.1"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str) -> list[str]:
    """Names under which others reach this machine."""
    if host in ("0.0.0.0", "::"):
        name = socket.gethostname().lower()
        own = {_reached(host)}
        with suppress(OSError):
            own |= {str(info[4][0]) for info in socket.getaddrinfo(name, None)} if name else set()
        return [name, socket.getfqdn().lower(), *(f"[{a}]" if ":" in a else a for a in own)]
    return [f"[{host}]" if ":" in host else host.lower()]
