"""Files beside images that are broken, so that nobody can say whether they spoke of the images."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import yaml

from veduta.errors import SourceError
from veduta.pool import limits
from veduta.pool.readers.layouts import safe_xml, texts
from veduta.pool.readers.layouts.coco_file import load_json
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import HEAD_BYTES, Survey
from veduta.pool.readers.tree import Tree

_ENDS = (".json", ".xml", ".yaml", ".yml")
# Files looked at, and bytes read of them in all.
LOOKED_AT, MOST_BYTES = 100, 64 << 20


def tell(survey: Survey, tree: Tree, readers: Sequence[Callable[[str], bool]], notes: Notes) -> set[str]:
    """Tell of broken JSON, XML and YAML files that nothing else reads, those nearest to the root; their paths.

    readers: each says whether a file is read as annotations or as a table. Files that `notes` has a problem with are not told again.
    """
    told = {name for name, _ in notes.problems}
    found = {p for p in survey.paths(*_ENDS) if p in told}
    left = MOST_BYTES
    nearest = sorted(survey.paths(*_ENDS), key=lambda p: (p.count("/"), p))
    for path in [p for p in nearest if p not in told and not any(is_used(p) for is_used in readers)][:LOOKED_AT]:
        data = survey.head(tree, path)
        if not data:
            if _whole(tree, path) == b"" and path.endswith((".json", ".xml")):
                found.add(path)
                notes.problem(path, "is empty; fetch it again", hides="all")
            continue
        if len(data) >= HEAD_BYTES and left > 0:
            data = _whole(tree, path) or b""
            left -= len(data)
            if len(data) > MOST_BYTES:
                continue
        elif len(data) >= HEAD_BYTES:
            continue
        reason = _why(data, path)
        if reason:
            found.add(path)
            notes.problem(path, reason, hides="all")
    return found


def _whole(tree: Tree, path: str) -> bytes | None:
    file = tree.find(path)
    try:
        return file.read() if file else None
    except (OSError, SourceError):
        return None


def _why(data: bytes, path: str) -> str:
    """What is wrong with a file, in words; "" for nothing, or where it cannot be said."""
    end = path.rpartition(".")[2].lower()
    try:
        if end == "xml":
            safe_xml.parse(data)
        elif end == "json":
            _check_json(data, path)
        elif len(data) <= limits.YAML:
            for _ in yaml.parse(texts.decode(data), Loader=yaml.BaseLoader):
                pass
    except SourceError as error:
        return str(error).removeprefix(f"{path} ")
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        return f"cannot be read as YAML: {getattr(error, 'problem', None) or error}{where}; mend or fetch it again"
    except ValueError as error:
        reason = str(error).removeprefix("not sound XML: ")
        return f"cannot be read as XML: {reason}; fetch it again" if reason != str(error) else ""
    return ""


def _check_json(data: bytes, path: str) -> None:
    try:
        load_json(data, path)
    except SourceError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2 or not all(map(_is_json, lines[:20])):  # a file of lines, each of them JSON, is sound
            raise


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
