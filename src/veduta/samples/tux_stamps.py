"""`tux-stamps`: the stamps of Tux Paint, PNG cut-outs with alpha in a tree of categories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from veduta.samples.packages import debian, unpack_debian
from veduta.samples.split import stable_split

PACKAGE = "tuxpaint-stamps-default"
INSIDE = "usr/share/tuxpaint/stamps/"
MIRRORED = "_mirror"

# What does not show one thing: letters, coins, scores; flags and signs; people; weather; seasonal decoration.
NO_OBJECTS = ("symbols/", "town/flags/", "town/roadsigns/", "people/", "naturalforces/", "seasonal/")


def build(folder: Path) -> dict[str, Any]:
    """Fill `folder` with `images/CATEGORY/.../NAME.png` and `metadata.jsonl`, one line an image.

    Fields: `label` (first level of the tree), `category` (all of it), `captions` (English), `captions_other` (JSON,
    language -> caption), `is_object`, `cartoon`, `mirrored`, `split` (train 70 %, test 30 %; a mirrored stamp goes with
    its original), `license`, `author`.
    """
    with debian(PACKAGE) as package:
        unpack_debian(package, folder / "images", _wanted)
    rows = [_row(path, folder / "images") for path in sorted((folder / "images").rglob("*.png"))]
    for text in (folder / "images").rglob("*.txt"):
        text.unlink()
    _write(folder, rows)
    return {"images": len(rows)}


def build_objects(folder: Path) -> dict[str, Any]:
    """The rows of `tux-stamps` with `is_object`."""
    from veduta.samples.place import get

    whole = get("tux-stamps")
    rows = [json.loads(line) for line in (whole / "metadata.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in rows if row["is_object"]]
    for row in rows:
        target = folder / row["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(whole / row["file_name"], target)
    _write(folder, rows)
    return {"images": len(rows)}


def _wanted(name: str) -> str | None:
    return name.removeprefix(INSIDE) if name.startswith(INSIDE) and name.endswith((".png", ".txt")) else None


def _row(image: Path, images: Path) -> dict[str, Any]:
    path = image.relative_to(images).as_posix()
    original = path.removesuffix(".png").replace(MIRRORED, "")
    english, others = captions(images / f"{original}.txt")
    category = PurePosixPath(path).parent.as_posix()
    mirrored = MIRRORED in path
    return {
        "file_name": f"images/{path}",
        "label": category.split("/")[0],
        "category": category,
        "captions": [english] if english else [],
        "captions_other": json.dumps(others, ensure_ascii=False, sort_keys=True),
        "is_object": not mirrored and not path.startswith(NO_OBJECTS),
        "cartoon": "cartoon" in category.split("/"),
        "mirrored": mirrored,
        "split": stable_split(original, "tux-stamps", {"train": 0.7, "test": 0.3}),
        "license": "GPL-2.0-or-later",
        "author": "Tux Paint contributors",
    }


def captions(file: Path) -> tuple[str, dict[str, str]]:
    """A stamp's text file: the English caption in the first line, then lines `language.utf8=caption`."""
    if not file.exists():
        return "", {}
    lines = file.read_text("utf-8", errors="replace").splitlines()
    others: dict[str, str] = {}
    for line in lines[1:]:
        language, found, text = line.partition(".utf8=")
        if found and text.strip():
            others[language.strip()] = text.strip()
    return (lines[0].strip() if lines else ""), others


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
