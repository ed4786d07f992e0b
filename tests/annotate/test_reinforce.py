"""Records of views and answers: how they are made, stored and made again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import veduta
from items import Given, Mean
from learn.shapes import pool_of, shape
from pictures import encoded
from veduta.annotate import reinforce
from veduta.annotate.classes import CLASSES
from veduta.annotate.reinforce import Reinforce
from veduta.encode.classifier import Ensemble
from veduta.engine.decode import decode
from veduta.engine.operation import Batch
from veduta.engine.progress import Silent
from veduta.errors import BadInput, EncoderError
from veduta.learn import augment
from veduta.learn.augment.records import Recipe, draw, from_struct, unpack
from veduta.learn.augment.witness import crc, sketch
from veduta.learn.classify import Classify
from veduta.pool import Pool

SAMPLES, SIZE = 6, 32


class Heard(Silent):
    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, message: str) -> None:
        self.words.append(message)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    pool = pool_of(tmp_path_factory.mktemp("teacher") / "shapes.vd", 120)
    run = Classify(model="conv_small", steps=60, batch=16, lr=3e-3, views="eval").learn(pool)
    return str(run.path)


@pytest.fixture
def shapes(tmp_path: Path) -> Pool:
    return pool_of(tmp_path / "shapes.vd", 40, damaged=2)


def asked(teacher: str, **given) -> Reinforce:
    return Reinforce(**{"teacher": (teacher,), "samples": SAMPLES, "topk": 2, "size": SIZE, **given})


def test_records_are_the_views_and_what_the_teacher_says_of_them(shapes: Pool, teacher: str) -> None:
    """Drawn, applied and answered once more, one by one."""
    heard = Heard()
    shapes.annotate(asked(teacher), on=heard)
    assert "6 views of 40 images are 240 answers of 1 teacher" in heard.words[0]
    assert "right on" in heard.words[1]
    field = shapes.schema.field("reinforce")
    recipe = Recipe.of(field)
    assert (recipe.name, recipe.size, recipe.samples, recipe.topk) == ("rrc+ra/re", SIZE, SAMPLES, 2)
    assert set(recipe.libraries) == {"numpy", "opencv-python-headless", "pillow", "simplejpeg"}
    assert json.loads(field.metadata[CLASSES]) == ["cross", "disc"]
    rows = shapes.table(["key", "reinforce", "error"]).to_pylist()
    assert all((row["reinforce"] is None) == (row["error"] is not None) for row in rows)
    view, ensemble = augment.view("rrc+ra/re", SIZE), Ensemble((teacher,))
    erased = flipped = 0
    for place in (0, 7, 39):
        pixels = decode(shapes.read_images([place])[0], recipe.side).pixels
        arrays = draw(view, rows[place]["key"], SAMPLES, 0, *pixels.shape[:2])
        shown = [view.apply(pixels, unpack(view, arrays, number)) for number in range(SAMPLES)]
        chances = ensemble(shown)
        for number, record in enumerate(rows[place]["reinforce"]):
            assert record["cls"] == np.argsort(-chances[number], kind="stable").tolist()
            assert record["p"] == np.sort(chances[number])[::-1].astype(np.float16).tolist()
            assert (record["crc"], record["sketch"]) == (crc(shown[number]), sketch(shown[number], record["crc"]))
            assert record["crop"] == arrays["crop"][number].tolist()
            erased += record["erase"] != [0, 0, 0, 0]
            flipped += record["flip"]
    assert 0 < erased < 3 * SAMPLES
    assert 0 < flipped < 3 * SAMPLES


def test_any_order_batch_and_interruption_give_the_same_bytes(shapes: Pool, teacher: str, tmp_path: Path) -> None:
    operation = asked(teacher)
    images = [decode(data, operation.side).pixels for data in shapes.read_images(range(5))]
    keys = shapes.table(["key"], limit=5)["key"].to_pylist()

    def made(order: list[int]) -> dict[str, list]:
        rows = pa.RecordBatch.from_pydict({"key": [keys[i] for i in order]})
        values = operation.annotate(Batch([images[i] for i in order], rows))["reinforce"]
        return dict(zip([keys[i] for i in order], values.to_pylist(), strict=True))

    assert made([0, 1, 2, 3, 4]) == made([4, 2, 0, 3, 1]) == {k: v for i in range(5) for k, v in made([i]).items()}
    assert asked(teacher, seed=1).annotate(Batch(images[:1], pa.RecordBatch.from_pydict({"key": keys[:1]})))[
        "reinforce"
    ].to_pylist() != [made([0])[keys[0]]]
    shapes.annotate(operation)
    version = shapes.version
    shapes.annotate(operation)
    assert shapes.version == version


def test_a_pass_is_not_shared_so_that_the_pixels_are_its_own(teacher: str, tmp_path: Path) -> None:
    """Beside an annotator that wants larger images, JPEGs of 400 pixels would be decoded at another scale."""
    content = {f"k{i}": encoded(shape(i, 400), "JPEG") for i in range(4)}
    pools = []
    for name in ("one", "two"):
        pools.append(veduta.create(tmp_path / f"{name}.vd"))
        pools[-1].ingest(Given(content, {f"k{i}": {"label": ("disc", "cross")[i % 2]} for i in range(4)}))

    class Large(Mean):
        """Looks at large images."""

        @property
        def side(self) -> int:
            return 300

    operation = asked(teacher, target=None)
    pools[0].annotate(operation)
    pools[1].annotate([Large(), operation, Large(column="other")])
    assert pools[0].table(["reinforce"]) == pools[1].table(["reinforce"])
    with pytest.raises(BadInput, match="a pass of its own"):
        veduta.create(tmp_path / "three.vd").ingest(Given(content), annotators=[Mean(), operation])


def test_a_fresh_process_replays_the_same_pixels(shapes: Pool, teacher: str) -> None:
    shapes.annotate(asked(teacher, samples=12))
    code = """
import sys, numpy as np
from veduta.engine.decode import decode
from veduta.learn.augment.records import Recipe, unpack
from veduta.learn.augment.witness import crc, sketch
from veduta.learn.targets.reinforced import read
from veduta.pool import Pool
pool = Pool.open(sys.argv[1])
recipe, rows = Recipe.of(pool.schema.field("reinforce")), pool.rows("reinforce is not null")
place, records = read(pool, "reinforce", rows)
same = 0
for row, data in zip(rows, pool.read_images(rows)):
    pixels = decode(data, recipe.side).pixels
    for at in range(place[row], place[row] + recipe.samples):
        shown, mark = recipe.view.apply(pixels, unpack(recipe.view, records, at)), int(records["crc"][at])
        same += (crc(shown), sketch(shown, mark)) == (mark, int(records["sketch"][at]))
print(len(rows), same)
"""
    done = subprocess.run([sys.executable, "-c", code, str(shapes.path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["40", "480"]


def test_the_answer_of_several_teachers_is_the_mean_of_their_softmaxes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        resize, fingerprint = 8, "f"

        def __init__(self, uri: str, classes: list[str], logits: list[float]) -> None:
            self.uri, self.classes, self._logits = uri, classes, logits

        def prepare(self, image):
            return image

        def logits(self, images):
            return np.tile(np.float32(self._logits), (len(images), 1))

    known = {
        "a:": Fixed("a:", ["x", "y", "z"], [0, np.log(2), np.log(5)]),
        "b:": Fixed("b:", ["z", "x", "y"], [0, 0, np.log(2)]),
        "c:": Fixed("c:", ["x", "y", "w"], [0, 0, 0]),
        "d:": Fixed("d:", [], []),
    }
    monkeypatch.setattr("veduta.encode.classifier.shared", known.__getitem__)
    ensemble = Ensemble(("a:", "b:"))
    assert ensemble.classes == ("x", "y", "z")
    wanted = np.array([1 / 8 + 1 / 4, 2 / 8 + 2 / 4, 5 / 8 + 1 / 4]) / 2
    assert np.allclose(ensemble([np.zeros((8, 8, 3), np.uint8)] * 2), [wanted, wanted], atol=1e-6)
    with pytest.raises(BadInput, match=r"differ in 2 of them \(such as 'w'\)"):
        Ensemble(("a:", "c:"))
    with pytest.raises(EncoderError, match="no classifier with named classes"):
        Ensemble(("d:",))


def test_wrong_teachers_stop_the_build_before_it_begins(shapes: Pool, teacher: str, monkeypatch) -> None:
    version = shapes.version
    with pytest.raises(BadInput, match="at most the 2 classes of the teachers, got 3"):
        shapes.annotate(asked(teacher, topk=3))
    with pytest.raises(BadInput, match="input should be"):
        Reinforce(recipe="rrc+mix")
    ensemble = Ensemble((teacher,))
    monkeypatch.setattr(reinforce, "_ensemble", lambda teachers: ensemble)
    ensemble.classes = ("disc", "cross")  # the same names in another order than the outputs
    with pytest.raises(BadInput, match=r"right on .* less than the 75.0% that must be expected of 2 classes"):
        shapes.annotate(asked(teacher))
    ensemble.classes = ("cat", "dog")
    with pytest.raises(BadInput, match=r"know none of the labels in 'label' \(such as 'disc'; they know cat, dog"):
        shapes.annotate(asked(teacher))
    assert shapes.version == version
    heard = Heard()
    shapes.annotate(asked(teacher, target=None, samples=1, size=224), on=heard)
    assert "have 32 pixels on the short side and views 224; --size 32 would do" in heard.words[1]
    assert "nothing tells whether the teachers are right" in heard.words[2]


def test_changed_and_new_images_alone_are_asked_about(teacher: str, tmp_path: Path) -> None:
    content = {f"k{i}": encoded(shape(i), "PNG") for i in range(6)}
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(Given(content))
    pool.annotate(asked(teacher, target=None))
    before = dict(zip(*pool.table(["key", "reinforce"]).to_pydict().values(), strict=True))
    pool.ingest(Given(content | {"k0": encoded(shape(20), "PNG"), "k9": encoded(shape(9), "PNG")}))
    heard = Heard()
    pool.annotate(asked(teacher, target=None), on=heard)
    assert "6 views of 2 images" in heard.words[0]
    after = dict(zip(*pool.table(["key", "reinforce"]).to_pydict().values(), strict=True))
    assert after["k9"] is not None
    assert after["k0"] != before["k0"]
    assert all(after[f"k{i}"] == before[f"k{i}"] for i in range(1, 6))


def test_few_labels_stop_nothing_and_odd_images_get_null(teacher: str, tmp_path: Path, monkeypatch) -> None:
    """A strip that is longer than a record can say, and a teacher that is wrong about the only label."""
    pool = veduta.create(tmp_path / "p.vd")
    strip = Image.new("RGB", (70_000, 2))
    pool.ingest(Given({"a": encoded(shape(0), "PNG"), "b": encoded(strip, "PNG")}, {"a": {"label": "cross"}}))
    heard = Heard()
    pool.annotate(asked(teacher, samples=2), on=heard)
    assert "of 1 labelled images" in heard.words[1]
    assert [row is None for row in pool.table(["reinforce"]).column(0).to_pylist()] == [False, True]
    ensemble = Ensemble((teacher,))
    monkeypatch.setattr(reinforce, "_ensemble", lambda teachers: ensemble)
    monkeypatch.setattr(Ensemble, "__call__", lambda self, images: np.full((len(images), 2), np.nan, np.float32))
    with pytest.raises(EncoderError, match="about the image a is not a number"):
        pool.annotate(asked(teacher, samples=3, target=None))


def test_records_survive_arrow(shapes: Pool, teacher: str) -> None:
    shapes.annotate(asked(teacher, recipe="rrc", samples=3))
    column = shapes.table(["reinforce"]).column(0).combine_chunks()
    kind = column.type.value_type
    assert [field.name for field in kind] == ["crop", "flip", "p", "cls", "crc", "sketch"]
    arrays = from_struct(column.drop_null().flatten())
    assert arrays["crop"].shape == (120, 4)
    assert arrays["p"].dtype == np.float16
