"""The main job opens no connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GUARD = """
import socket, sys
def refuse(*arguments, **options):
    raise AssertionError(f"a connection was opened: {arguments}")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
import veduta
done = veduta.curate(sys.argv[1], sys.argv[2])
hits = veduta.search(done.pool, text="a round thing", k=2)
print(len(done.pool), len(hits.rows))
"""


def test_curate_and_search_open_no_connection(tmp_path: Path, make_folder):
    command = [sys.executable, "-c", GUARD, str(make_folder(6)), str(tmp_path / "p.vd")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["6", "2"]
