"""The cache folder of converted weights and computed vectors.

A file's name holds the digest of what it was made from and the version of the code that made it, so that a name never
changes its meaning: nothing is ever updated in place, and a stale file is simply no longer asked for. Files are written
beside their place and renamed into it, so that readers see a whole file or none, and two processes that make the same
file at once both succeed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from veduta.errors import EncoderError


def folder() -> Path:
    """The cache folder: environment variable VEDUTA_CACHE, else `~/.cache/veduta`. It is not created here."""
    named = os.environ.get("VEDUTA_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "veduta"


def path(name: str) -> Path:
    """Where the cached file `name` lives, whether or not it is there."""
    return folder() / "encode" / name


def made(name: str, make: Callable[[Path], None]) -> Path:
    """Path of the cached file `name`; `make(temporary_path)` writes it if it is missing.

    Raises EncoderError where the cache folder cannot be written.
    """
    target = path(name)
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=target.parent)
    except OSError as error:
        raise EncoderError(
            f"The cache folder {target.parent} cannot be written ({error.strerror or error}); "
            "set VEDUTA_CACHE to a folder that can"
        ) from error
    os.close(handle)
    try:
        make(Path(temporary))
        # The bytes must be on the disk before the name is, or a power cut could leave a whole name with half a file.
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)  # temporary files are private; a cache may be shared
        os.replace(temporary, target)
    except OSError as error:
        raise EncoderError(f"The cache file {target} cannot be written ({error.strerror or error})") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def forget(name: str) -> None:
    """Remove the cached file `name`, if it is there (it proved to be damaged)."""
    path(name).unlink(missing_ok=True)


def file_digest(file: Path) -> str:
    """Hex sha256 of a file's bytes.

    The digest is remembered in the cache under the file's path, size and modification time, so that 90 MB of weights are
    not read again at each start. Where the cache cannot be written the digest is computed each time.
    """
    status = file.stat()
    stamp = hashlib.sha256(f"{file.resolve()}\n{status.st_size}\n{status.st_mtime_ns}".encode()).hexdigest()[:32]
    name = f"digest-{stamp}.json"
    try:
        return str(json.loads(path(name).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    forget(name)
    with contextlib.suppress(EncoderError):
        made(name, lambda temporary: _write_text(temporary, json.dumps({"sha256": digest})))
    return digest


def _write_text(file: Path, text: str) -> None:
    file.write_text(text)
