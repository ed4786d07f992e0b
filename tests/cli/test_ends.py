"""How a command ends where its output, its folder or the system fails: a sentence and a status, never a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.engine.unforeseen import in_words

READERS = ["show {pool}", "look {photos}", "log {pool}", "ops", "recipe {pool}", "--help"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "photos" / "żółw").mkdir(parents=True)
    for i in range(3):
        (folder / "photos" / "żółw" / f"日本{i}.png").write_bytes(encoded(picture(i, (32, 32)), "PNG"))
    veduta.create(folder / "p.vd").ingest(Given({"a": encoded(picture(0, (32, 32)), "PNG")}))
    return folder


def run(place: Path, command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "veduta", *command.format(pool=place / "p.vd", photos=place / "photos").split()]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(words, stdin=subprocess.DEVNULL, **streams)  # type: ignore[call-overload]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", READERS)
def test_an_output_that_takes_nothing_is_one_sentence(place: Path, command: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run(place, command, stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error V131: standard output cannot be written: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", READERS)
def test_a_closed_pipe_is_quiet(place: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = run(place, command, stdout=pipe)
    assert (done.returncode, done.stderr) == (141, b"")


def test_work_is_done_whether_or_not_anybody_listens(place: Path) -> None:
    """Closed streams must not become the first files that are opened, which would be the pool's."""
    done = run(place, "ingest {photos} -o {photos}/../closed.vd", preexec_fn=lambda: (os.close(1), os.close(2)))
    assert done.returncode == 0
    assert len(veduta.open(place / "closed.vd")) == 3


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_names_are_utf8_in_any_locale(place: Path, locale: str, tmp_path: Path) -> None:
    env = os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert run(place, f"ingest {{photos}} -o {tmp_path}/p.vd", env=env).returncode == 0
    assert sorted(veduta.open(tmp_path / "p.vd").table(["key"]).column(0).to_pylist())[0] == "żółw/日本0.png"
    told = run(place, f"export {tmp_path}/p.vd {tmp_path}/out", env=env | {"PYTHONIOENCODING": "ascii"})
    assert (told.returncode, told.stderr.count(b"Traceback")) == (0, 0)


def test_a_folder_that_is_gone(place: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    try:
        (tmp_path / "gone").rmdir()
        done = run(
            place, "ingest {photos} -o p.vd", env=os.environ | {"PYTHONPATH": str(Path(veduta.__file__).parents[1])}
        )
    finally:
        os.chdir(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "V130", "the disk of the pool is full"),
        (OSError("LanceError(IO): File too large (os error 27), rust/x.rs"), "V130", "allows no file as large"),
        (OSError(errno.EROFS, "Read-only file system", "/a/b"), "V113", "/a/b cannot be written or read"),
        (OSError(errno.EIO, "Input/output error", "/a/b"), "V900", "/a/b: Input/output error"),
        (TypeError("x\nis y"), "V900", "this should not have happened: TypeError: x is y; what was committed is kept"),
        (veduta.errors.BadInput("name it"), "V100", "name it"),
    ],
)
def test_errors_of_the_system_are_said_in_one_sentence(error: Exception, code: str, words: str) -> None:
    told = in_words(error)
    assert told.code == code
    assert words in str(told)
    assert "\n" not in str(told)
