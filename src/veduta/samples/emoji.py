"""`emoji`: every emoji concept as four vendors draw it, with names and tags, and ONE fixed split.

All proofs that use emoji share this split, so that their results can be laid side by side. It goes by concept (a
drawing of the same concept by another vendor is not an unseen concept), and one vendor is held out altogether:

    split        concept   vendor
    train        training  twitter, google, facebook
    validation   unseen    twitter, google, facebook
    test         unseen    apple
    other        training  apple
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veduta.samples.packages import npm, unpack
from veduta.samples.split import stable_split

# Fixed versions: another release would have other concepts and so another split.
IMAGES_VERSION = "16.0.0"
NAMES_VERSION = "17.0.0"
VENDORS = ("apple", "facebook", "google", "twitter")
HELD_OUT = "apple"
LICENCES = {
    "twitter": "CC-BY-4.0",
    "google": "Apache-2.0",
    "facebook": "all rights reserved",
    "apple": "all rights reserved",
}


def build(folder: Path) -> dict[str, Any]:
    """Fill `folder` with `images/VENDOR/CODE.png` (64 x 64 RGBA) and `metadata.jsonl`, one line an image.

    Fields: `label` (group, 9 of them), `subgroup`, `name` (CLDR), `tags`, `captions` (CLDR name, Unicode name,
    shortcode, tags), `vendor`, `concept` (code points of the base emoji), `concept_split` (train 80 %, test 20 %),
    `split` (see the head of this file), `tone` ("" for base emoji), `license`, `author`.
    """
    return _build(folder, tones=False)


def build_with_skin_tones(folder: Path) -> dict[str, Any]:
    """As `build`, with the skin-tone variants."""
    return _build(folder, tones=True)


def _build(folder: Path, *, tones: bool) -> dict[str, Any]:
    with npm("emojibase-data", NAMES_VERSION) as package, tarfile.open(package, "r:gz") as archive:
        unpack(archive, folder, lambda name: ".names.json" if name == "package/en/data.json" else None)
    names = by_code(json.loads((folder / ".names.json").read_text("utf-8")))
    rows: list[dict[str, Any]] = []
    for vendor in VENDORS:
        with npm(f"emoji-datasource-{vendor}", IMAGES_VERSION) as package:
            # One pass: the list comes after the pictures in the archive, so all pictures are unpacked first.
            inside = f"package/img/{vendor}/64/"
            with tarfile.open(package, "r:gz") as archive:
                unpack(archive, folder, lambda name, inside=inside, vendor=vendor: wanted(name, inside, vendor))
        listed = json.loads((folder / ".emoji.json").read_text("utf-8"))
        rows += vendor_rows(listed, names, vendor, tones=tones)
    for hidden in (".names.json", ".emoji.json"):
        (folder / hidden).unlink()
    kept = {row["file_name"] for row in rows}
    for file in (folder / "images").rglob("*.png"):
        if file.relative_to(folder).as_posix() not in kept:
            file.unlink()
    rows = [row for row in rows if (folder / row["file_name"]).exists()]
    lines = [json.dumps(row, ensure_ascii=False) for row in sorted(rows, key=lambda row: row["file_name"])]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return {"images": len(rows), "packages": {"emoji-datasource": IMAGES_VERSION, "emojibase-data": NAMES_VERSION}}


def ungendered(concept: str) -> str:
    """A concept's code points without the female or male sign, and with 'person' for 'man' and 'woman' in sequences.

    Forms that differ in gender alone are near copies of each other; a split that is to be hard keeps them together.
    """
    plain = concept.replace("-FE0F", "")
    return re.sub(r"1F46[89](?=-200D)", "1F9D1", re.sub(r"-200D-264[02]", "", plain))


def wanted(name: str, inside: str, vendor: str) -> str | None:
    """Where a member of an image package goes, or None."""
    if name == "package/emoji.json":
        return ".emoji.json"
    if name.startswith(inside) and name.endswith(".png"):
        return f"images/{vendor}/{name.removeprefix(inside)}"
    return None


def by_code(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """CLDR entries by code points; the two packages differ in where they write the invisible variation selector."""
    return {_plain(entry["hexcode"]): entry for entry in entries}


def vendor_rows(
    listed: list[dict[str, Any]], names: dict[str, dict[str, Any]], vendor: str, *, tones: bool
) -> Iterator[dict[str, Any]]:
    """The rows of one vendor, from the image package's list and the CLDR names."""
    for emoji in listed:
        if emoji["category"] == "Component":  # the five skin swatches
            continue
        concept = emoji["unified"]
        known = names.get(_plain(concept), {})
        name = known.get("label") or (emoji["name"] or emoji["short_name"].replace("_", " ")).lower()
        tags = known.get("tags") or []
        seen = "train" if _is_training(concept) else "test"
        if vendor == HELD_OUT:
            split = "test" if seen == "test" else "other"
        else:
            split = "train" if seen == "train" else "validation"
        candidates = [name, (emoji["name"] or "").lower(), emoji["short_name"].replace("_", " "), ", ".join(tags)]
        captions = list(dict.fromkeys(text for text in candidates if text))
        variants = [("", emoji)]
        if tones:
            variants += sorted(emoji.get("skin_variations", {}).items())
        for tone, picture in variants:
            if not picture.get(f"has_img_{vendor}"):
                continue
            yield {
                "file_name": f"images/{vendor}/{picture['image']}",
                "label": emoji["category"],
                "subgroup": emoji["subcategory"],
                "name": name,
                "tags": tags,
                "captions": captions,
                "vendor": vendor,
                "concept": concept,
                "concept_split": seen,
                "split": split,
                "tone": tone,
                "license": LICENCES[vendor],
                "author": vendor,
            }


def _is_training(concept: str) -> bool:
    return stable_split(concept, "emoji", {"train": 0.8, "test": 0.2}) == "train"


def _plain(code: str) -> str:
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")
