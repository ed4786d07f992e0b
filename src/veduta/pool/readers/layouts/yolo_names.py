"""What YOLO's data.yaml, obj.data, obj.names and classes.txt say: class names, keypoints, and which images are a split."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from veduta.pool import limits
from veduta.pool.readers import images, yaml_bounds
from veduta.pool.readers.folder_names import HOLDERS
from veduta.pool.readers.layouts import reading
from veduta.pool.readers.layouts.beside import plural
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

MOST_BYTES = limits.YAML
LABELS = ("labels", "label", "annotations", "labels_yolo", "txt")
_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "class.names", "names.txt")
_SPLITS = ("train", "val", "valid", "validation", "test")


@dataclass
class Named:
    """One file that names classes. base: the folder that it speaks of; splits: split -> places as they are written."""

    path: str
    base: str
    names: dict[int, str]
    points: tuple[int, int] | None = None
    splits: dict[str, list[str]] = field(default_factory=dict)
    stated: int | None = None


def read_all(survey: Survey, tree: Tree, notes: Notes) -> list[Named]:
    """Every file of a tree that names YOLO's classes, one a folder; the fullest kind where there are several."""
    found: dict[str, Named] = {}
    for path in _candidates(survey):
        text = reading.text(tree, path, notes, MOST_BYTES, hides="all")
        if text is None:
            continue
        named = _from_yaml(path, text, notes) if path.lower().endswith((".yaml", ".yml")) else _from_list(path, text)
        if named is None:
            continue
        have = found.get(named.base)
        if have is None:
            found[named.base] = named
        elif list(have.names.values()) != list(named.names.values()):
            notes.warn(named.path, f"names other classes than {have.path}, which is used")
    _add_darknet(survey, tree, found)
    return list(found.values())


def _candidates(survey: Survey) -> Iterator[str]:
    """YAML files before plain lists, usual names before others."""
    yamls = sorted(survey.paths(".yaml", ".yml"), key=lambda p: (_rank(p), p))
    yield from yamls
    lists = [p for p in survey.paths(".txt", ".names", ".labels") if posixpath.basename(p).lower() in _LISTS]
    named = [p for p in survey.paths(".names") if p not in lists]
    yield from [*sorted(lists, key=lambda p: (_LISTS.index(posixpath.basename(p).lower()), p)), *named]
    folders = {*survey.suffixes, ""}
    for folder in sorted(folders):  # a folder can hold more label files than the survey keeps the names of
        for name in _LISTS:
            path = posixpath.join(folder, name)
            if path not in lists and survey.suffixes.get(folder, {}).get(images.suffix(name), 0) > len(
                survey.names.get((folder, images.suffix(name)), ())
            ):
                yield path


def unnamed(survey: Survey) -> str:
    """Why classes have no names, in words: there is no file for them, or those that are there name none."""
    there = [p for p in _candidates(survey) if survey.count(images.suffix(p))]
    there = [p for p in there if _rank(p) < 2 or posixpath.basename(p).lower() in _LISTS]
    if not there:
        return "no data.yaml, obj.names or classes.txt"
    return f"{', '.join(there[:3])} name{'' if there[1:] else 's'} none"


def _rank(path: str) -> int:
    stem = posixpath.splitext(posixpath.basename(path))[0].lower()
    return ("data", "dataset").index(stem) if stem in ("data", "dataset") else 2


def _from_yaml(path: str, text: str, notes: Notes) -> Named | None:
    try:
        # Only texts, lists and mappings: a class called `no` or `1.0` keeps its name, and nothing is constructed.
        content = yaml_bounds.load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        notes.problem(path, f"not YAML: {' '.join(str(error).split())[:120]}", hides="all")
        return None
    given = content.get("names") if isinstance(content, dict) else None
    if not given and _rank(path) < 2:
        notes.problem(path, "names no classes", hides="all")
    if not isinstance(content, dict):
        return None
    if isinstance(given, list):
        pairs = list(enumerate(given))
    elif isinstance(given, dict):
        texts = {k: v for k, v in given.items() if isinstance(k, str) and isinstance(v, str)}
        if texts and all(v.isdecimal() and not k.strip().isdecimal() for k, v in texts.items()):
            texts = {v: k for k, v in texts.items()}  # `cat: 0`
        pairs = [(int(k), v) for k, v in texts.items() if k.strip().isdecimal()]
    else:
        return None
    names = {k: v for k, v in pairs if isinstance(v, str)}
    if not names:
        return None
    shape = content.get("kpt_shape")
    points = None
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(v, str) and v.isdigit() for v in shape):
        points = (int(shape[0]), int(shape[1]))
    splits = {key: _texts(content[key]) for key in _SPLITS if content.get(key)}
    base = posixpath.dirname(path)
    stated = int(content["nc"]) if isinstance(content.get("nc"), str) and content["nc"].isdigit() else None
    if stated is not None and stated != len(names):
        notes.warn(path, f"says nc: {stated} and names {plural(len(names), 'class')}; the names are used")
    return Named(path, base, names, points if points and points[1] in (2, 3) else None, splits, stated)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, str) and v]


def _from_list(path: str, text: str) -> Named | None:
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    names = {number: line.strip() for number, line in enumerate(lines)}
    return Named(path, base_of(posixpath.dirname(path)), names) if names else None


def base_of(folder: str) -> str:
    """The folder of a whole data set for a folder within it: what is above `labels` or `images`."""
    parts = folder.split("/")
    for place, part in enumerate(parts):
        if part.lower() in HOLDERS or part.lower() in LABELS:
            return "/".join(parts[:place])
    return folder


def _add_darknet(survey: Survey, tree: Tree, found: dict[str, Named]) -> None:
    """`obj.data`: lines `key = value` that name lists of images for `train` and `valid`."""
    for path in survey.paths(".data"):
        text = reading.text(tree, path, Notes(), MOST_BYTES) or ""
        pairs = [line.partition("=") for line in text.splitlines()]
        content = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
        wanted = posixpath.basename(content.get("names", ""))
        named = next((n for n in found.values() if posixpath.basename(n.path) == wanted), None)
        if named is not None:
            named.splits |= {key: [content[key]] for key in _SPLITS if key in content}
