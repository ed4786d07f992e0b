"""A run that is killed ends in the same weights; a run of two processes in the same curve as one."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import veduta
from learn.shapes import pool_of
from veduta.errors import BadInput, TrainingFailed
from veduta.learn import checkpoint, length, trainer
from veduta.learn.classify import Classify

RUN = """
import os
import sys
import veduta
from veduta.learn import trainer
from veduta.learn.classify import Classify

every = 60.0 * int(os.environ.get("RANK", "0"))  # clocks of processes differ
trainer.CHECKPOINT_SECONDS = every
trainer.TELL_SECONDS = every
Classify(model=sys.argv[2], steps=12, batch=8, ema=sys.argv[3] == "1", accumulate=int(sys.argv[4]), views="cifar",
         drop=0.2, mixup=0.3, precision="32").learn(veduta.open(sys.argv[1]), name=sys.argv[5])
os._exit(0)  # as the veduta command does: torch aborts now and then while the interpreter shuts down
"""


def train(pool: Path, name: str, *, model="conv_small", ema="1", accumulate="1", fault="") -> int:
    environment = {**os.environ, "VEDUTA_FAULT": fault, "OMP_NUM_THREADS": "1"}
    script = pool.parent / "run.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(pool), model, ema, accumulate, name]
    return subprocess.run(command, env=environment, capture_output=True, text=True).returncode


def digest(pool: Path, name: str, file: str = "last.safetensors") -> str:
    return hashlib.sha256((pool / "runs" / name / file).read_bytes()).hexdigest()


def losses(pool: Path, name: str) -> list[float]:
    with open(pool / "runs" / name / "curve.csv", newline="") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trainer") / "shapes.vd"
    pool_of(path, 48)
    assert train(path, "whole") == 0
    return path


@pytest.mark.parametrize("fault", ["learn.step:5", "learn.tensors:4", "learn.checkpoint:6"])
def test_killed_anywhere_the_same_command_ends_in_the_same_weights(shapes: Path, tmp_path: Path, fault: str) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    assert train(pool, "killed", fault=fault) != 0
    assert not (pool / "runs" / "killed" / "veduta.json").exists()
    assert train(pool, "killed") == 0
    for file in ("last.safetensors", "model.safetensors"):
        assert digest(pool, "killed", file) == digest(shapes, "whole", file)
    assert losses(pool, "killed") == losses(shapes, "whole")


def test_a_damaged_checkpoint_is_passed_over(shapes: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    assert train(pool, "cut", fault="learn.checkpoint:6") != 0
    newest = sorted((pool / "runs" / "cut" / "checkpoint").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    assert train(pool, "cut") == 0
    assert digest(pool, "cut") == digest(shapes, "whole")


def test_a_full_disk_loses_nothing(shapes: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    assert train(pool, "full", fault="learn.tensors:4:disk") != 0
    assert train(pool, "full") == 0
    assert digest(pool, "full") == digest(shapes, "whole")


def test_two_processes_give_the_curve_of_one(shapes: Path, tmp_path: Path) -> None:
    """A network without BatchNorm, whose statistics would be those of half a batch on each process."""
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    model = "timm:vit_tiny_patch16_224"
    script = RUN.replace("drop=0.2, mixup=0.3", "clip=0, size=32")
    (tmp_path / "two.py").write_text(script)
    (tmp_path / "one.py").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    parts = [str(pool), model, "0", "1"]
    one = subprocess.run(
        [sys.executable, str(tmp_path / "one.py"), *parts, "one"], env=environment, capture_output=True
    )
    assert one.returncode == 0, one.stderr[-2000:]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = subprocess.run([*torchrun, str(tmp_path / "two.py"), *parts, "two"], env=environment, capture_output=True)
    assert two.returncode == 0, two.stderr[-2000:]
    assert losses(pool, "two") == pytest.approx(losses(pool, "one"), rel=2e-4)


def test_a_run_of_other_parameters_is_not_overwritten(shapes: Path) -> None:
    pool = veduta.open(shapes)
    before = digest(shapes, "whole")
    with pytest.raises(BadInput, match=r"was made with .*--as"):
        Classify(model="conv_small", steps=12, batch=8, lr=0.5).learn(pool, name="whole")
    assert digest(shapes, "whole") == before


def test_a_command_that_was_wrong_makes_room_for_the_right_one(shapes: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    with pytest.raises(BadInput, match="larger than the"):
        Classify(model="conv_small", steps=2, batch=4000).learn(veduta.open(pool), name="typo")
    assert Classify(model="conv_small", steps=2, batch=8).learn(veduta.open(pool), name="typo").path.name == "typo"
    (pool / "runs" / "mine").mkdir()
    (pool / "runs" / "mine" / "notes.txt").write_text("kept")
    with pytest.raises(BadInput, match="is not a run"):
        Classify(model="conv_small", steps=2, batch=8).learn(veduta.open(pool), name="mine")


def test_a_checkpoint_of_another_network_is_refused(shapes: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    assert train(pool, "half", fault="learn.step:5") != 0
    folder = pool / "runs" / "half" / "checkpoint"
    tensors, facts = checkpoint.newest(folder, print)
    broken = {k: v for k, v in tensors.items() if "classifier" not in k}
    checkpoint.save(folder, facts["step"], broken, {k: v for k, v in facts.items() if k not in ("step", "tensors")})
    settings = {
        "model": "conv_small",
        "steps": 12,
        "batch": 8,
        "views": "cifar",
        "drop": 0.2,
        "mixup": 0.3,
        "precision": "32",
    }
    with pytest.raises(TrainingFailed, match="of another network"):
        Classify(**settings).learn(veduta.open(pool), name="half")


def test_a_loss_that_explodes_stops_the_run_in_words(shapes: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    with pytest.raises(TrainingFailed, match=r"became (nan|inf|-inf) at step .* lower --lr"):
        Classify(model="conv_small", steps=40, batch=8, optimizer="sgd", lr=1e30, warmup=0, clip=0).learn(
            veduta.open(pool), name="nan"
        )


def test_accumulation_is_the_mean_of_the_pieces(shapes: Path, tmp_path: Path) -> None:
    """Without BatchNorm and dropout, two halves give the step of the whole."""
    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    found = []
    for pieces in (1, 2):
        settings = Classify(
            model="timm:vit_tiny_patch16_224", size=32, steps=3, batch=8, accumulate=pieces, precision="32", ema=False
        )
        run = settings.learn(veduta.open(pool), name=f"pieces{pieces}")
        from safetensors.torch import load_file

        found.append(load_file(run.path / "last.safetensors"))
    assert all(torch.allclose(found[0][name], found[1][name], atol=2e-5) for name in found[0])


def test_a_budget_is_a_number_of_steps_and_what_was_tried_for_it_leaves_no_trace(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool.vd", 48)
    same = {"model": "conv_small", "batch": 8, "optimizer": "adamw", "ema": True}
    budget = Classify(**same, budget="4s").learn(pool, name="budget")
    steps = budget.about["training"]["steps"]
    Classify(**same, steps=steps).learn(pool, name="steps")
    assert digest(pool.path, "budget") == digest(pool.path, "steps")
    assert digest(pool.path, "budget", "model.safetensors") == digest(pool.path, "steps", "model.safetensors")


def test_a_run_that_begins_again_ends_in_the_bits_of_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(tmp_path / "pool.vd", 48)
    same = {"model": "conv_small", "batch": 8, "optimizer": "adamw", "ema": True, "tensorboard": True}
    better = iter([None, None, 40, None, None, None, None, 9])
    monkeypatch.setattr(length.Budget, "steps", lambda *_: 30)
    monkeypatch.setattr(length.Budget, "may_revise", lambda *_: True)
    monkeypatch.setattr(length.Budget, "revised", lambda *_: next(better, None))
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    budget = Classify(**same, budget="1h").learn(pool, name="budget")
    assert budget.about["training"]["steps"] == 9
    Classify(**same, steps=9).learn(pool, name="steps")
    assert digest(pool.path, "budget") == digest(pool.path, "steps")
    assert losses(pool.path, "budget")[-1] == losses(pool.path, "steps")[-1]


def test_the_curve_is_there_for_tensorboard(shapes: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pool = tmp_path / "pool.vd"
    shutil.copytree(shapes, pool)
    run = Classify(model="conv_small", steps=4, batch=8, tensorboard=True).learn(veduta.open(pool), name="board")
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert {"loss", "lr", "accuracy", "validation_loss"} <= set(events.Tags()["scalars"])
    assert events.Scalars("accuracy")[-1].step == 4
    last = losses(pool, "board")[-1]
    assert events.Scalars("loss")[-1].value == pytest.approx(last, rel=1e-5)
