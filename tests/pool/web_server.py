"""A small web on localhost for the tests of the web reader and the fetcher."""

from __future__ import annotations

import io
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def jpeg(seed: int, side: int = 96) -> bytes:
    """A noisy JPEG of more than 5,000 bytes."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


class Web:
    """Serves `pages`: path -> (status, headers, body), or a callable of no arguments giving that. Counts requests."""

    def __init__(self) -> None:
        self.pages: dict = {}
        self.hits: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.busy = self.most_busy = 0
        web, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                with lock:
                    web.hits[self.path] += 1
                    web.busy += 1
                    web.most_busy = max(web.most_busy, web.busy)
                    web.agents.add(self.headers.get("User-Agent", ""))
                page = web.pages.get(self.path, (404, {}, b"no such page"))
                status, headers, body = page() if callable(page) else page
                with lock:
                    web.busy -= 1
                try:
                    self.send_response(status)
                    for name, value in ({"Content-Length": str(len(body))} | headers).items():
                        if value is not None:
                            self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def image(self, path: str, seed: int = 0, **headers: str) -> str:
        self.pages[path] = (200, {name.replace("_", "-"): value for name, value in headers.items()}, jpeg(seed))
        return self.base + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
