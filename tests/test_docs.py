"""The commands of the tutorial are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "getting-started.md"


def test_the_tutorial_runs(tmp_path: Path):
    blocks = re.findall(r"```(sh|python)\n(.*?)```", PAGE.read_text("utf-8"), flags=re.S)
    assert len(blocks) > 5
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, text in blocks:
        command = ["sh", "-euc", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150)
        if done.returncode:
            pytest.fail(f"{text}\n{done.stdout}\n{done.stderr}")
    assert (tmp_path / "found.png").stat().st_size > 1000
    assert (tmp_path / "photos.vd" / "reports" / "report.html").is_file()
    assert any((tmp_path / "clean").rglob("*.jpg"))
