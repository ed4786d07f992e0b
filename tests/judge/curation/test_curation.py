"""The whole judgement, on pictures of discs and crosses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from learn.shapes import shape
from pictures import encoded
from veduta.annotate.embed import Embed
from veduta.engine import progress
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.curation import Curation
from veduta.judge.curation import battery as batteries
from veduta.learn.operation import Learn
from veduta.pool import Pool
from veduta.select.sample import Sample
from veduta.select.where import Where

COUNT = 120


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes with labels, with labels of a machine that is often wrong, and a test picture twice in the training rows."""
    path = tmp_path_factory.mktemp("curation") / "shapes.vd"
    content = {f"s{i:04d}": encoded(shape(i), "PNG") for i in range(COUNT)}
    content["s0000"] = content["s0119"]
    content["s0002"] = content["s0119"]
    near = shape(118)
    near.putpixel((0, 0), (0, 0, 0))
    content["s0004"] = encoded(near, "PNG")  # a test picture but for one pixel
    rng = np.random.default_rng(0)
    names = ("disc", "cross")
    fields = {
        f"s{i:04d}": {
            "label": names[i % 2],
            "machine": names[(i + int(rng.random() < 0.4)) % 2] if i % 7 else "ellipse",
            "split": "test" if i >= 90 else "train",
            "captions": [f"{names[i % 2]} {i}"],
        }
        for i in range(COUNT)
    }
    pool = veduta.create(path)
    pool.ingest(Given({**content, "z": b"broken"}, fields, machine=pa.string()), annotators=[Embed()])
    pool.select(Sample(count=60, method="balanced", seed=3), name="even")
    pool.select(Where(sql="label = 'disc' and split = 'train'"), name="discs")
    pool.select(Where(sql="split = 'test'"), name="tests")
    return path


@pytest.fixture
def pool(base: Path, tmp_path: Path) -> Pool:
    import shutil

    return veduta.open(shutil.copytree(base, tmp_path / "p.vd"))


def recipe(folder: Path, name: str, text: str) -> str:
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return str(file)


def test_a_probe_of_recipes_and_selections(pool: Pool, tmp_path: Path):
    half = recipe(tmp_path, "half-of-it", "- sample: {keep: 0.5, as: proposed}\n")
    asked = Curation(recipes=[half], selections=["even", "discs"], axes=["base", "knn", "stats"])
    version = pool.version
    found = asked.measure(pool)
    names = [arm.name for arm in found.arms]
    assert names[0] == "everything"
    assert "half-of-it" in names
    assert pool.selections() == ["even", "discs", "tests", "half_of_it"]
    assert "fewer" in found.outcome["discs"] or "two classes" in found.outcome["discs"]
    rows = len(found.exam.rows)
    assert found.right["even"].shape == (3, rows)
    assert found.leaked["with the same file as a test image"] == 2
    assert found.leaked["with a cosine above 0.98 to a test image"] >= 1
    (near,) = pool.rows("key = 's0004'")
    test = {*found.exam.rows.tolist(), near}
    digests = pool.table(["digest"]).column(0).to_pylist()
    tested = {digests[row] for row in found.exam.rows}
    for arm in found.arms:
        for draw in arm.draws:
            assert not test & set(draw.tolist())
            assert not tested & {digests[row] for row in draw}
    even = found.arm("even")
    rival = found.arm(even.rival)
    assert rival.kind == "random"
    assert len(even) <= len(rival) * 1.1
    assert found.scores.mean("even") > 0.9
    assert found.axes.axes[0].name == "knn"
    assert found.axes.stats["even"]["classes_covered"] == 2
    assert found.axes.stats["discs"]["missing"] == ["cross"]
    assert found.arm("half-of-it").seconds > 0
    pool.refresh()
    assert pool.lineage()[-1].operation == "sample"
    again = pool.version
    asked.measure(pool)
    assert pool.version == again > version


def test_the_second_time_nothing_is_trained(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    asked = Curation(selections=["even"], seeds=2)
    first = asked.measure(pool)
    files = sorted((pool.path / "judgements").rglob("veduta.json"))
    assert len(files) == 6
    monkeypatch.setattr(batteries.Probed, "right", lambda *_: pytest.fail("tested again"))
    monkeypatch.setattr("veduta.learn.probe_fit.fill", lambda *_: pytest.fail("trained again"))
    second = asked.measure(pool)
    assert all(np.array_equal(first.right[name], second.right[name]) for name in first.right)
    assert first.differences == second.differences


def test_a_killed_judgement_goes_on(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    asked = Curation(selections=["even"], seeds=2)
    learn, count = Learn.learn, 0

    def dies(self: Learn, *arguments: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return learn(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Learn, "learn", dies)
        with pytest.raises(KeyboardInterrupt):
            asked.measure(pool)
    made = {file: file.stat().st_mtime_ns for file in (pool.path / "judgements").rglob("veduta.json")}
    assert len(made) == 3
    found = asked.measure(pool)
    assert all(file.stat().st_mtime_ns == at for file, at in made.items())
    assert set(found.right) == {"everything", "random", "even"}


def test_a_network_from_scratch_with_labels_of_its_own(pool: Pool):
    asked = Curation(
        selections=["even"], labels={"even": "machine"}, task="classify", steps=3, seeds=1, axes=["base", "ood", "stats"],
        training={"model": "conv_small", "size": 32}, baselines=["random"],
    )  # fmt: skip
    found = asked.measure(pool)
    even = found.arm("even")
    assert even.left["labels outside the reference's classes"] > 0
    truth, said = (pool.table([name]).column(0).to_pylist() for name in ("label", "machine"))
    wrong = np.mean([truth[row] != said[row] for row in even.draws[0]])
    assert found.axes.stats["even"]["label_noise"] == pytest.approx(wrong)
    assert found.axes.stats["random"].get("label_noise") is None
    assert len(found.axes.axes[0].tasks) == 12
    assert {task.right["even"].shape for task in found.axes.axes[0].tasks} == {(1, len(found.exam.rows))}
    for file in (pool.path / "judgements").rglob("veduta.json"):
        assert json.loads(file.read_text())["training"]["steps"] == 3


def test_pairs_and_a_report(pool: Pool, tmp_path: Path):
    asked = Curation(
        selections=["even"], task="pairs", steps=3, seeds=2, k=3, training={"dim": 8, "batch": 16, "text_tower": "bow"}
    )
    page = asked.judge(pool)
    html = page.save(tmp_path, "curation").read_text("utf-8")
    assert "R@3, both ways" in html
    assert "What each arm kept and left out" in html
    assert "rm -r" in html
    facts = json.loads((tmp_path / "curation.json").read_text("utf-8"))["facts"]
    assert [arm["arm"] for arm in facts["arms"]] == ["everything", "random", "even"]
    assert {"value", "from", "to", "p", "least", "shown"} <= set(facts["arms"][2]["minus_random"])


def test_another_pool_for_transfer_and_a_reference(pool: Pool, base: Path):
    asked = Curation(
        selections=["even", "discs"], task="classify", steps=2, seeds=1, axes=["base", "transfer", "stats"], transfer=[str(base)],
        training={"model": "conv_small", "size": 32, "batch": 16}, reference="everything",
    )  # fmt: skip
    found = asked.measure(pool)
    axis = found.axes.axes[0]
    assert [task.name for task in axis.tasks] == ["shapes"]
    assert axis.tasks[0].right["even"].shape == (1, 30)
    assert {each.arm for each in found.differences["reference"]} == {"random", "even"}
    assert (pool.path / "reports").exists() is False


def test_tasks_that_cannot_be_measured_say_so(pool: Pool):
    found = Curation(selections=["even"], seeds=1, axes=["transfer"], transfer=["x"]).measure(pool)
    assert "same features" in found.axes.missing["transfer"]


def test_what_has_no_answer_gets_a_sentence(pool: Pool, tmp_path: Path):
    def refused(error: type[Exception], words: str, **parameters: object) -> None:
        with pytest.raises(error, match=words) as caught:
            Curation(**{"seeds": 1, **parameters}).measure(pool)
        assert "\n" not in str(caught.value)

    refused(BadInput, "nothing to compare")
    refused(NothingToDo, "no row satisfies split = 'exam'", selections=["even"], test="split = 'exam'")
    refused(BadInput, "not valid SQL", selections=["even"], test="nonsense = 3")
    refused(NothingToDo, "tests: keeps 0 rows that can be trained on .30 test rows", selections=["tests"])
    refused(BadInput, "no selection 'odd'", selections=["odd"])
    refused(BadInput, "'even'", selections=["even", "even"])
    refused(BadInput, "no arm 'odd'", selections=["even"], reference="odd")
    refused(BadInput, "selects nothing", recipes=[recipe(tmp_path, "none", "- quality: {}\n")])
    refused(
        BadInput, "a baseline has the name 'random'", recipes=[recipe(tmp_path, "random", "- sample: {keep: 0.5}\n")]
    )
    refused(BadInput, "cannot be read|there is no", recipes=[str(tmp_path / "missing.yaml")])
    refused(MissingColumn, "'nothing'", selections=["even"], target="nothing")
    refused(MissingColumn, "'nothing'", selections=["even"], labels={"even": "nothing"})
    refused(BadInput, "must be a column of vectors", selections=["even"], embedding="label")
    refused(BadInput, "has no parameter 'colour'", selections=["even"], training={"colour": 1})
    refused(BadInput, "give --steps", selections=["even"], training={"epochs": 3})
    refused(BadInput, "name them with --transfer", selections=["even"], axes=["transfer"])


def test_leaks_may_be_refused(pool: Pool):
    pool.select(Where(sql="split = 'train'"), name="all")
    with pytest.raises(BadInput, match="rows of the arm 'all' show a test image"):
        Curation(selections=["all"], leaks="refuse").measure(pool)


def test_a_recipe_that_keeps_nothing_is_an_outcome_beside_the_others(pool: Pool, tmp_path: Path):
    none = recipe(tmp_path, "none-of-it", "- where: {sql: width < 0}\n")
    found = Curation(recipes=[none], selections=["even"], seeds=1).measure(pool)
    assert found.outcome == {"none-of-it": "keeps nothing"}
    assert "none-of-it" in Curation(recipes=[none], selections=["even"], seeds=1).judge(pool).to_html()


def test_two_recipes_may_call_their_selections_alike(pool: Pool, tmp_path: Path):
    one = recipe(tmp_path, "one", "- sample: {keep: 0.4, as: proposed}\n")
    two = recipe(tmp_path, "two", "- sample: {keep: 0.4, seed: 9, as: proposed}\n")
    found = Curation(recipes=[one, two], seeds=1, baselines=["random"]).measure(pool)
    a, b = (set(found.arm(name).draws[0].tolist()) for name in ("one", "two"))
    assert a != b


def test_the_command_line_takes_a_flag_several_times(pool: Pool):
    run = [sys.executable, "-m", "veduta", "judge", "curation", str(pool.path)]
    done = subprocess.run(
        [*run, "--selections", "even", "--selections", "tests", "--seeds", "1", "--axes", "base,knn"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No such command" in done.stderr:
        pytest.skip("the installed package does not have this operation yet")
    assert done.returncode == 0, done.stderr
    assert re.search(r"curation\.html", done.stdout)


def test_a_recipe_may_make_the_vectors_that_are_missing(tmp_path: Path):
    made = veduta.create(tmp_path / "bare.vd")
    content = {f"s{i:02d}": encoded(shape(i), "PNG") for i in range(24)}
    fields = {key: {"label": "ab"[i % 2], "split": "test" if i > 17 else None} for i, key in enumerate(content)}
    made.ingest(Given(content, fields))
    embeds = recipe(tmp_path, "embeds", "- embed: {encoder: $encoder}\n- sample: {keep: 0.7}\n")
    with pytest.raises(MissingColumn, match="veduta annotate embed"):
        Curation(recipes=[recipe(tmp_path, "bare", "- sample: {keep: 0.7}\n")]).measure(made)
    found = Curation(recipes=[embeds], seeds=1).measure(made)
    assert found.scores.mean("embeds") > 0.5
    assert len(found.exam.rows) == 6


def test_it_tells_how_far_it_is(pool: Pool):
    heard: list[str] = []

    class Ear(progress.Silent):
        def say(self, message: str) -> None:
            heard.append(message)

    Curation(selections=["even"], seeds=1).watched(pool, Ear())
    assert any(message.startswith("even: ") for message in heard)
