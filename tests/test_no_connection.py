"""The main job opens no connection, and keeps nothing in the home folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from veduta.silence import SETTINGS

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


def test_curate_and_search_open_no_connection_and_write_nothing_of_others(tmp_path: Path, make_folder):
    home = tmp_path / "home"
    home.mkdir()
    told = {"HOME": str(home), "VEDUTA_CACHE": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path / "mpl")}
    command = [sys.executable, "-c", GUARD, str(make_folder(6)), str(tmp_path / "p.vd")]
    if strace := shutil.which("strace"):  # what libraries do without Python
        trace = ["-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmmsg", "-o", str(tmp_path / "calls")]
        command = [strace, *trace, *command]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", *SETTINGS))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, env=environment | told)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["6", "2"]
    assert [str(f.relative_to(home)) for f in home.rglob("*") if f.is_file()] == []
    if strace:
        assert not [line for line in (tmp_path / "calls").read_text().splitlines() if "AF_INET" in line]
