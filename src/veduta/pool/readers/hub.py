"""Folders of tables, such as a cloned repository of the Hugging Face Hub: which files, and which split each is in."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from veduta.errors import BadInput, SourceError
from veduta.pool import location
from veduta.pool.readers import images, places, yaml_bounds
from veduta.pool.readers.features import card_names
from veduta.pool.readers.notes import Notes

TABLES = (".parquet", ".pq", ".parq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".jsonl", ".ndjson", ".lance")
_TYPED = TABLES[:6]
DEPTH = 3
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
_WORD = re.compile(r"[^a-z]+")


def tables(folder: str, notes: Notes, config: str | None = None) -> tuple[list[str], list[str]]:
    """The tables in a folder and below it, sorted, and the split of each ("" for none).

    What the YAML head of README.md says about `data_files` goes before the names of the files. Of several
    configurations the default or first is read, and the others are said; `config` names one.
    """
    said = _card(folder)
    named = _configs(said)
    if config is not None and config not in named:
        have = ", ".join(named) or "none in README.md"
        raise BadInput(f"{folder} has no configuration '{config}'; its configurations: {have}")
    if named:
        name = _chosen(named, config)
        if len(named) > 1 and config is None:
            others = ", ".join(n for n in named if n != name)
            notes.guess("configuration", f"'{name}' of README.md; there are also {others}", "--config NAME")
        pairs = [
            (p, split)
            for split, pattern in named[name][0]
            for p in below(folder, every=True)
            if fnmatch.fnmatch(p, pattern.removeprefix("./").replace("**/", "*"))
        ]
        if pairs:
            return [places.join(folder, p) for p, _ in pairs], [split for _, split in pairs]
        notes.warn("README.md", f"configuration '{name}' names no table that is here; all tables are read")
    found = below(folder)
    kind = next((end for end in TABLES if any(p.lower().endswith(end) for p in found)), "")
    kept = [p for p in found if p.lower().endswith(kind)] if kind else []
    for path in sorted(set(found) - set(kept)):
        notes.skip(path, f"a table of another kind than the {kind} files", "tables of another kind")
    return [places.join(folder, p) for p in kept], splits(kept)


def holds_tables(folder: str) -> bool:
    """Whether a folder without images is one of tables: Parquet or Arrow in or below it, or any that README.md names."""
    found = below(folder, every=True)
    return any(p.lower().endswith(_TYPED) for p in found) or (bool(found) and bool(_configs(_card(folder))))


def below(folder: str, depth: int = DEPTH, *, every: bool = False) -> list[str]:
    """The tables in a folder, or else (every: and also) those in the folders below it; sorted, relative to it."""
    entries = [e for e in places.listing(folder) if not images.is_hidden(e.name)]
    is_table = {
        e.name: e.name.lower().endswith(TABLES) and e.is_folder == e.name.lower().endswith(".lance") for e in entries
    }
    here = sorted(name for name, yes in is_table.items() if yes)
    if (here and not every) or depth == 0:
        return here
    inner = sorted((e for e in entries if e.is_folder and not e.is_link and e.name not in here), key=lambda e: e.name)
    return here + [f"{e.name}/{p}" for e in inner for p in below(e.uri, depth - 1, every=every)]


def splits(paths: Sequence[str]) -> list[str]:
    """The split that each path names, where all do and either they differ or are numbered parts; else none."""
    found = [_split(path) for path in paths]
    numbered = any(re.search(r"\d{3,}-of-\d{3,}", path) for path in paths)
    return found if all(found) and (len(set(found)) > 1 or numbered) else [""] * len(paths)


def stems(uris: Sequence[str]) -> list[str]:
    """A name for each of a table's files: its path below the folder that holds them all, up to the first dot.

    Where two files would share a name, theirs go on to the suffix, then to the end; a file that is listed twice is
    numbered.
    """
    folders = [places.parent(uri).rstrip("/").split("/") for uri in uris]
    shared = len(posixpath.commonprefix(folders))  # of lists: in whole parts
    inner = ["/".join([*folder[shared:], places.base(uri)]) for folder, uri in zip(folders, uris, strict=True)]
    found = [_cut(path, places.base(path).split(".")[0]) for path in inner]
    for longer in (lambda path: _cut(path, places.base(path).rsplit(".", 1)[0]), str):
        often = Counter(found)
        found = [longer(path) if often[name] > 1 else name for name, path in zip(found, inner, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(found):
        seen[name] += 1
        found[place] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return found


def _cut(path: str, base: str) -> str:
    return posixpath.join(posixpath.dirname(path), base)


def _split(path: str) -> str:
    """By the file's name, else by a folder's."""
    for part in reversed(path.lower().rsplit(".", 1)[0].split("/")):
        words = _WORD.split(part)
        name = next((_SPLITS[w] for w in words if w in _SPLITS), "")
        if name:
            return name
    return ""


def class_names(folder: str, config: str | None = None) -> dict[str, list[str]]:
    """Class names by column (see `features`), from the `dataset_info` of README.md, of the configuration that is read."""
    said = _card(folder)
    given = said.get("dataset_info")
    infos = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, dict)]
    named = _configs(said)
    name = _chosen(named, config) if named else "default"
    found = next((i for i in infos if i.get("config_name", "default") == name), infos[0] if len(infos) == 1 else {})
    return card_names(found.get("features"))


def _chosen(named: dict[str, tuple[list[tuple[str, str]], bool]], config: str | None) -> str:
    default = next((n for n, (_, is_default) in named.items() if is_default), None)
    return config or default or ("default" if "default" in named else next(iter(named)))


def _card(folder: str) -> dict[str, Any]:
    """The YAML head of README.md; {} if there is none."""
    readme = places.join(folder, "README.md")
    try:
        text = location.read(readme).decode("utf-8", "replace")
    except (OSError, SourceError):
        return {}
    head = re.match(r"\s*---\s*\n(.*?)\n---", text.removeprefix("\ufeff"), re.DOTALL)
    if not head:
        return {}
    import yaml

    try:
        said = yaml_bounds.load(head[1], typed=True)
    except (yaml.YAMLError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _configs(said: dict[str, Any]) -> dict[str, tuple[list[tuple[str, str]], bool]]:
    """Configurations of a card: name -> ([(split, pattern)], whether it is the default)."""
    out: dict[str, tuple[list[tuple[str, str]], bool]] = {}
    for one in said.get("configs") or []:
        if isinstance(one, dict) and one.get("data_files"):
            out[str(one.get("config_name", "default"))] = (list(_patterns(one["data_files"])), bool(one.get("default")))
    return out


def _patterns(given: Any) -> list[tuple[str, str]]:
    if isinstance(given, str):
        return [("train", given)]
    if isinstance(given, dict):
        return [(str(split), str(p)) for split, ps in given.items() for p in (ps if isinstance(ps, list) else [ps])]
    found = []
    for one in given if isinstance(given, list) else []:
        if isinstance(one, str):
            found.append(("train", one))
        elif isinstance(one, dict) and "path" in one:
            paths = one["path"] if isinstance(one["path"], list) else [one["path"]]
            found += [(str(one.get("split", "train")), str(p)) for p in paths]
    return found
