"""Random trees of each annotation layout, read from a folder, a zip and a tar, against a plain model of what is there."""

from __future__ import annotations

import io
import posixpath
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.pool import masks
from veduta.pool.readers import open_source

CLASSES = ("cat", "traffic light", "Bär", "no")
TURNED = 6  # an EXIF orientation that swaps width and height


@dataclass
class Picture:
    """One image of the model. stem: without folders; boxes: class number and corners x0, y0, x1, y1 in whole pixels."""

    split: str
    stem: str
    size: tuple[int, int]
    boxes: list[tuple[int, tuple[int, int, int, int]]]
    turned: bool = False


@dataclass
class Files:
    """What a writer made: path -> bytes, and the path of each picture's image."""

    content: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, Picture] = field(default_factory=dict)

    def image(self, path: str, picture: Picture) -> None:
        self.images[path] = picture
        width, height = picture.size
        stored = Image.new("RGB", (height, width) if picture.turned else (width, height), (90, 120, 60))
        exif = Image.Exif()
        if picture.turned:
            exif[0x0112] = TURNED
        buffer = io.BytesIO()
        stored.save(buffer, "JPEG", exif=exif)
        self.content[path] = buffer.getvalue()

    def text(self, path: str, text: str) -> None:
        self.content[path] = text.encode()


_NAME = st.text("ab1. -_é世", min_size=1, max_size=8).map(str.strip).filter(lambda s: s.strip(".") and s[0] not in ".")
# What these suffixes mean is tested in `test_layout_masks`.
_STEM = _NAME.filter(lambda s: not s.endswith(".") and posixpath.splitext(f"{s}.x")[0] == s)


@st.composite
def pictures(draw: st.DrawFn, turned: bool = True) -> list[Picture]:
    found = []
    stems = draw(st.lists(_STEM, min_size=1, max_size=3, unique=True))
    for split in ("train", "val"):
        for stem in stems:  # the same stems in both splits
            width, height = draw(st.tuples(st.integers(8, 40), st.integers(8, 40)))
            boxes = []
            for _ in range(draw(st.integers(0 if found else 1, 3))):
                x, y = draw(st.integers(0, width - 3)), draw(st.integers(0, height - 3))
                x1, y1 = draw(st.integers(x + 1, width)), draw(st.integers(y + 1, height))
                boxes.append((draw(st.integers(0, len(CLASSES) - 1)), (x, y, x1, y1)))
            boxes = list(dict.fromkeys(boxes))  # YOLO's own reader takes a repeated line once
            found.append(Picture(split, stem, (width, height), boxes, turned and draw(st.booleans())))
    return found


def yolo(made: list[Picture], tree: str) -> Files:
    files = Files()
    for one in made:
        image, text = tree.format(kind="images", split=one.split), tree.format(kind="labels", split=one.split)
        files.image(f"{image}/{one.stem}.jpg", one)
        width, height = one.size
        lines = [
            f"{c} {(x0 + x1) / 2 / width:.9f} {(y0 + y1) / 2 / height:.9f} {(x1 - x0) / width:.9f} {(y1 - y0) / height:.9f}"
            for c, (x0, y0, x1, y1) in one.boxes
        ]
        files.text(f"{text}/{one.stem}.txt", "\n".join(lines))
    files.text("data.yaml", f"train: x\nnc: {len(CLASSES)}\nnames: [{', '.join(CLASSES)}]\n")
    return files


def voc(made: list[Picture], tree: str) -> Files:
    files = Files()
    for one in made:
        image, text = tree.format(kind="JPEGImages", split=one.split), tree.format(kind="Annotations", split=one.split)
        files.image(f"{image}/{one.stem}.jpg", one)
        things = "".join(
            f"<object><name>{escape(CLASSES[c])}</name><difficult>1</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for c, (x0, y0, x1, y1) in one.boxes
        )
        size = f"<size><width>{one.size[0]}</width><height>{one.size[1]}</height><depth>3</depth></size>"
        name = f"<filename>{escape(one.stem)}.jpg</filename>"
        files.text(f"{text}/{one.stem}.xml", f"<annotation>{name}{size}{things}</annotation>")
    return files


def kitti(made: list[Picture], tree: str) -> Files:
    files = Files()
    for one in made:
        image, text = tree.format(kind="image_2", split=one.split), tree.format(kind="label_2", split=one.split)
        files.image(f"{image}/{one.stem}.jpg", one)
        lines = [f"{CLASSES[c]} 0.5 1 -1.57 {a} {b} {d} {e} 1.5 1.6 3.9 1 2 30 0.1" for c, (a, b, d, e) in one.boxes]
        files.text(f"{text}/{one.stem}.txt", "\n".join(lines))
    return files


def mask_pictures(made: list[Picture], tree: str) -> Files:
    files = Files()
    for one in made:
        image, mask = tree.format(kind="images", split=one.split), tree.format(kind="masks", split=one.split)
        files.image(f"{image}/{one.stem}.jpg", one)
        pixels = np.zeros(one.size[::-1], np.uint8)
        for c, (x0, y0, x1, y1) in one.boxes:
            pixels[y0:y1, x0:x1] = c + 1
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files.content[f"{mask}/{one.stem}.png"] = buffer.getvalue()
    files.text("labelmap.txt", "")
    files.text("classes.txt", "\n".join(["background", *CLASSES]))
    return files


WRITERS = {"yolo": yolo, "voc": voc, "kitti": kitti, "masks": mask_pictures}
TREES = ("{kind}/{split}", "{split}/{kind}", "deep er/{kind}/{split}")


def pack(files: Files, root: Path, kind: str) -> Path:
    """The files as a folder, a zip or a tar, in an order of their own."""
    if kind == "folder":
        for path, data in files.content.items():
            (root / "f" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "f" / path).write_bytes(data)
        return root / "f"
    place = root / f"f.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in files.content.items():
                archive.writestr(path, data)
        return place
    with tarfile.open(place, "w:gz" if kind == "tar.gz" else "w") as archive:
        for path, data in files.content.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return place


def expected(name: str, one: Picture) -> list[tuple]:
    if name != "masks":
        return [(CLASSES[c], [x0, y0, x1 - x0, y1 - y0]) for c, (x0, y0, x1, y1) in one.boxes]
    pixels = np.zeros(one.size[::-1], int)
    for c, (x0, y0, x1, y1) in one.boxes:
        pixels[y0:y1, x0:x1] = c + 1
    found = []
    for value in np.unique(pixels[pixels > 0]):
        ys, xs = np.nonzero(pixels == value)
        box = [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
        found.append((CLASSES[value - 1], [int(v) for v in box], int((pixels == value).sum())))
    return found


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data())
def test_every_container_gives_what_was_written(name, tree, data):
    made = data.draw(pictures(turned=name == "yolo"))
    files = WRITERS[name](made, tree)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("folder", "zip", "tar", "tar.gz"):
            reader = open_source(str(pack(files, Path(folder), kind)))
            items = {item.key: item.fields for item in reader.items()}
            assert items.keys() == files.images.keys(), kind
            for path, one in files.images.items():
                fields = items[path]
                assert fields.get("label") is None
                assert fields["split"] == one.split
                got = fields["objects"] or []
                want = expected(name, one)
                if name == "masks":
                    areas = [masks.area(o["mask"], *one.size) for o in got]
                    assert sorted((o["class"], o["box"], a) for o, a in zip(got, areas, strict=True)) == sorted(want)
                else:
                    assert [o["class"] for o in got] == [c for c, *_ in want], kind
                    for have, (_, box, *_) in zip(got, want, strict=True):
                        assert have["box"] == pytest.approx(box, abs=1e-5)
            assert not reader.notes.problems
            assert not reader.notes.skipped or name == "masks"
