from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import veduta
from items import Given
from pictures import encoded, picture
from planted import network
from veduta.annotate import people
from veduta.annotate.blank import Blank
from veduta.annotate.people import People, relative
from veduta.errors import BadInput
from veduta.pool import Pool

SIDE = 64


def red(size: tuple[int, int], box: tuple[int, int, int, int] | None, orientation: int = 1, form: str = "PNG") -> bytes:
    """A grey picture with a red rectangle, stored so that it stands upright under its EXIF orientation."""
    image = Image.new("RGB", size, (90, 90, 90))
    if box:
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(255, 0, 0))
    turned = {1: image, 6: image.transpose(Image.Transpose.ROTATE_90), 3: image.transpose(Image.Transpose.ROTATE_180)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    turned[orientation].save(stream, form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))
    return stream.getvalue()


def finder(score: float = 0.9, threshold: float = 0.5, colour: int = 0, name: str = "red:1"):
    """A detector whose person is what is of one colour; green pixels make it fail."""

    def find(images):
        calls.append(len(images))
        found = []
        for image in images:
            values = image.astype(int)
            if (values[..., 1] > values[..., 0] + 100).any():
                raise RuntimeError("green\nis too much")
            rows, columns = np.nonzero(values[..., colour] > values[..., 1] + 100)
            box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, score]] if len(rows) else []
            found.append(np.array(box, np.float32).reshape(-1, 5))
        return found

    calls: list[int] = []
    return SimpleNamespace(name=name, side=SIDE, threshold=threshold, find=find, calls=calls)


@pytest.fixture
def detectors(monkeypatch: pytest.MonkeyPatch):
    """Named detectors in the place of the files."""
    known: dict[str, SimpleNamespace] = {}
    monkeypatch.setattr(people, "load", lambda uri, finds: known[uri])
    return known


def pool_of(path: Path, content: dict[str, bytes], fields: dict | None = None) -> Pool:
    pool = veduta.create(path)
    pool.ingest(Given(content, fields or {}))
    return pool


def told(pool: Pool) -> dict[str, dict]:
    return {row["key"]: row for row in pool.table(["key", *People().adds().names]).to_pylist()}


def test_boxes_are_in_pixels_of_the_upright_image_at_full_size(tmp_path: Path, detectors):
    """Decoded at half or a quarter of their size, and stored turned, they have the same box in the end."""
    detectors["red"] = finder()
    content = {
        f"{form}{orientation}": red((400, 320), (80, 40, 240, 280), orientation, form)
        for form in ("PNG", "JPEG")
        for orientation in (1, 3, 6)
    }
    pool = pool_of(tmp_path / "p.vd", content)
    pool.annotate(People(person=["red"], face=[]))
    for row in told(pool).values():
        (box,) = row["person_boxes"]
        np.testing.assert_allclose([box[n] for n in ("x1", "y1", "x2", "y2")], [80, 40, 240, 280], atol=8)
        assert row["has_person"] is True
        assert row["face_boxes"] is None
        assert row["person_detector"] == box["detector"] == "red:1"
        assert box["score"] == pytest.approx(0.9)
        assert row["person_score"] == pytest.approx(0.9)


def test_scores_meet_at_the_threshold():
    for threshold in (0.2, 0.35, 0.7):
        scores = np.linspace(0, 1, 101)
        own = [relative(score, threshold) for score in scores]
        assert own[0] == 0
        assert own[-1] == pytest.approx(1)
        assert all(a < b for a, b in pairwise(own))
        assert [o >= 0.5 for o in own] == [np.float32(s) >= np.float32(threshold) for s in scores]
    assert relative(0.35, 0.7) == pytest.approx(0.25)
    assert relative(float(np.float32(0.7)), 0.7) == 0.5


def test_a_failing_detector_is_never_no_person(tmp_path: Path, detectors):
    detectors["red"], detectors["blue"] = finder(), finder(colour=2, name="blue:1")
    detectors["blue"].find = lambda images: [np.zeros((0, 5), np.float32)] * len(images)
    failing = Image.new("RGB", (70, 70), (0, 200, 0))
    content = {f"k{i}": red((70, 70), (10, 10, 40, 40) if i % 2 else None) for i in range(5)}
    pool = pool_of(tmp_path / "p.vd", {**content, "green": encoded(failing, "PNG"), "bad": b"\xff\xd8\xffbroken"})
    pool.annotate(People(person=["red", "blue"], face=[]))
    rows = told(pool)
    assert [rows[f"k{i}"]["has_person"] for i in range(5)] == [False, True, False, True, False]
    assert rows["green"]["has_person"] is None
    assert rows["green"]["person_error"] == "red:1 failed: green"
    assert rows["green"]["person_score"] == 0
    assert all(value is None for name, value in rows["bad"].items() if name != "key")
    assert all(rows[f"k{i}"]["person_error"] is None for i in range(5))


def test_what_another_detector_found_stands_beside_a_failure(tmp_path: Path, detectors):
    detectors["red"], detectors["all"] = finder(), finder(name="all:1")
    detectors["all"].find = lambda images: [np.array([[1, 2, 30, 40, 0.8]], np.float32)] * len(images)
    pool = pool_of(tmp_path / "p.vd", {"green": encoded(Image.new("RGB", (70, 70), (0, 200, 0)), "PNG")})
    pool.annotate(People(person=["red"], face=["all"]))
    row = told(pool)["green"]
    assert row["has_person"] is True
    assert row["person_error"] is None
    assert row["person_detector"] == "all:1"
    assert row["person_boxes"] is None
    assert len(row["face_boxes"]) == 1


def test_a_cheap_test_first_spares_the_second(tmp_path: Path, detectors):
    detectors["red"], detectors["second"] = finder(), finder(name="second:1")
    content = {f"k{i}": red((70, 70), (10, 10, 40, 40) if i % 2 else None) for i in range(6)}
    pool = pool_of(tmp_path / "p.vd", content)
    pool.annotate(People(face=["red"], person=["second"], stop_at_first=True))
    assert sum(detectors["red"].calls) == 6
    assert sum(detectors["second"].calls) == 3
    rows = told(pool)
    assert [rows[f"k{i}"]["has_person"] for i in range(6)] == [False, True] * 3
    assert rows["k1"]["person_boxes"] is None  # nobody looked
    assert rows["k0"]["person_boxes"] == []


def test_thresholds_count_boxes_and_move_the_score(tmp_path: Path, detectors):
    detectors["red"] = finder(score=0.6)
    pool = pool_of(tmp_path / "p.vd", {"k": red((70, 70), (10, 10, 40, 40))})
    for threshold, has in ((None, True), (0.6, True), (0.8, False)):
        pool.annotate(People(person=["red"], face=[], person_threshold=threshold))
        row = told(pool)["k"]
        assert row["has_person"] is has
        assert len(row["person_boxes"]) == has
        assert (row["person_score"] >= 0.5) is has


def test_annotated_people_count_and_nothing_annotated_says_nothing(tmp_path: Path, detectors):
    def objects(*names: str, box: list[float] | None = None) -> dict:
        return {"objects": [{"class": name, "box": box or [10.0, 20.0, 30.0, 5.0]} for name in names]}

    fields = {
        "person": objects("dog", "Person"), "face": objects("Human face"), "dog": objects("dog"), "none": {"objects": []},
        "untold": {}, "hand": objects("Human hand"),
    }  # fmt: skip
    pool = pool_of(tmp_path / "p.vd", dict.fromkeys(fields, red((70, 70), None)), fields)
    pool.annotate(People(person=[], face=[], annotations=True))
    rows = told(pool)
    assert {key: row["has_person"] for key, row in rows.items()} == {
        "person": True, "face": True, "dog": False, "none": False, "untold": None, "hand": True,
    }  # fmt: skip
    (box,) = rows["person"]["person_boxes"]
    assert (box["x1"], box["y1"], box["x2"], box["y2"], box["detector"]) == (10, 20, 40, 25, "annotations")
    assert len(rows["face"]["face_boxes"]) == 1
    assert "nothing is annotated" in rows["untold"]["person_error"]
    detectors["red"] = finder()
    pool.annotate(People(person=["red"], face=[], annotations=True))
    rows = told(pool)
    assert rows["untold"]["has_person"] is False
    assert [rows["person"][n] for n in ("has_person", "person_detector")] == [True, "annotations"]


def test_the_columns_say_which_weights_decided(tmp_path: Path):
    """With real files: the digest of the weights is in the metadata, and other weights make the columns anew."""
    out = np.zeros((1, 85, 2, 2), np.float32)
    planted = []
    for value in (0.0, 0.9):
        out[0, 0], out[0, 5] = value, value
        planted.append(network(tmp_path / f"{value}.onnx", (1, 3, 32, 32), {"o": out}))
    pool = pool_of(tmp_path / "p.vd", {"k": encoded(picture(1), "PNG")})
    kept = []
    for file in planted:
        pool.annotate(People(person=[f"fastestdet:{file}"], face=[]))
        kept.append(
            (pool.schema.field("has_person").metadata[b"veduta:fingerprint"].decode(), told(pool)["k"]["has_person"])
        )
    assert [has for _, has in kept] == [False, True]
    assert all(text.startswith("person=fastestdet:") and text.endswith(">=0.55") for text, _ in kept)
    assert kept[0][0] != kept[1][0]


def test_nothing_to_go_by(tmp_path: Path):
    pool = pool_of(tmp_path / "p.vd", {"k": encoded(picture(1), "PNG")})
    with pytest.raises(BadInput, match="nothing to go by: name a detector"):
        pool.annotate(People(person=[], face=[]))
    with pytest.raises(BadInput, match="names a file that is not there"):
        pool.annotate(People(person=["nanodet:/nowhere.onnx"], face=[]))
    assert "has_person" not in pool.schema.names


def test_single_colours_are_blank(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 2, (90, 90, 3), dtype=np.uint8) + 100
    gradient = np.tile(np.linspace(0, 12, 90).astype(np.uint8)[:, None, None], (1, 90, 3))
    content = {
        "white": encoded(Image.new("RGB", (90, 90), "white"), "JPEG"),
        "red": encoded(Image.new("RGB", (90, 90), (200, 10, 10)), "PNG"),
        "noise": encoded(Image.fromarray(noise), "PNG"),
        "gradient": encoded(Image.fromarray(gradient), "PNG"),
        "picture": encoded(picture(3), "PNG"),
    }
    pool = pool_of(tmp_path / "p.vd", content)
    pool.annotate(Blank())
    rows = {row["key"]: row["blank"] for row in pool.table(["key", "blank"]).to_pylist()}
    assert rows == {"white": True, "red": True, "noise": True, "gradient": False, "picture": False}
