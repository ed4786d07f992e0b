"""Objectives against loops written from their equations."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from veduta.errors import BadInput
from veduta.learn.objectives.infonce import InfoNCE
from veduta.learn.objectives.ntxent import NTXent
from veduta.learn.objectives.ranking import Ranking
from veduta.learn.objectives.sinkhorn import sinkhorn
from veduta.learn.objectives.swav import SwAV
from veduta.learn.objectives.weighted_infonce import WeightedInfoNCE


def pairs(n: int = 6, d: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.randn(n, d, generator=generator)


def unit(x: torch.Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).double().numpy()


def directions(scores: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """Mean -log softmax of the diagonal along rows and columns, entries of `same` left out of the sums."""
    found = []
    for s, out in ((scores, same), (scores.T, same.T)):
        total = 0.0
        for i in range(len(s)):
            kept = [math.exp(s[i, j]) for j in range(len(s)) if not out[i, j]]
            total -= math.log(math.exp(s[i, i]) / sum(kept))
        found.append(total / len(s))
    return found[0], found[1]


@pytest.mark.parametrize("groups", [None, [0, 1, 0, 2, 3, 3]])
def test_infonce_and_its_weighted_form(groups: list[int] | None) -> None:
    u, v = pairs()
    group = None if groups is None else torch.tensor(groups)
    same = np.zeros((6, 6), bool)
    if groups:
        same = (np.array(groups)[:, None] == np.array(groups)) & ~np.eye(6, dtype=bool)
    rows, columns = directions(unit(u) @ unit(v).T / 0.07, same)
    assert float(InfoNCE(0.07)(u, v, group=group).detach()) == pytest.approx((rows + columns) / 2, rel=1e-4)
    rows, columns = directions(unit(u) @ unit(v).T / 0.1, same)
    assert float(WeightedInfoNCE(0.1, 0.75)(u, v, group=group)) == pytest.approx(0.75 * rows + 0.25 * columns, rel=1e-4)


def test_the_scale_is_learned_in_its_logarithm_and_bounded() -> None:
    loss = InfoNCE()
    assert float(loss.scale()) == pytest.approx(1 / 0.07, rel=1e-5)
    loss.log_scale.data.fill_(9.0)
    loss.after_step()
    assert float(loss.scale()) == pytest.approx(100, rel=1e-5)


def test_ranking_on_three_by_three_by_hand() -> None:
    """Scores S = u v' with v = I. Images along the rows: false sentences compare along the row."""
    u = torch.tensor([[1.0, 0.5, 0.0], [0.9, 1.0, 0.2], [0.0, 0.7, 0.6]])
    v = torch.eye(3)
    # margin 0.4; rows: i=0: 0.5 -> -0.1 no, 0 no; i=1: 0.9 -> 0.3, 0.2 no; i=2: 0 no, 0.7 -> 0.5.
    assert float(Ranking(0.4, 1, 0, score="dot")(u, v)) == pytest.approx((0.3 + 0.5) / 2)
    # columns: t=0 (1.0): 0.9 -> 0.3; t=1 (1.0): 0.5 no, 0.7 -> 0.1; t=2 (0.6): 0.2 -> 0, not above.
    assert float(Ranking(0.4, 0, 1, score="dot")(u, v)) == pytest.approx((0.3 + 0.1) / 2)
    assert float(Ranking(0.4, 1, 1, score="dot")(u, v)) == pytest.approx(0.6)
    # Rows 1 and 0 show the same: 0.9 is not a false sentence of image 1 any more.
    group = torch.tensor([7, 7, 8])
    assert float(Ranking(0.4, 1, 0, score="dot")(u, v, group=group)) == pytest.approx(0.5)
    assert float(Ranking(0.4, 1, 0, score="dot", negatives="hard:1")(u, v)) == pytest.approx((0.3 + 0.5) / 2)
    # Semi-hard: below the true pair, so 0.7 > 0.6 does not count.
    assert float(Ranking(0.4, 1, 0, score="dot", negatives="semi-hard")(u, v)) == pytest.approx(0.3)


@pytest.mark.parametrize("negatives", ["hard", "random:", "soft:3", "in_batch:4"])
def test_wrong_negatives_get_a_sentence(negatives: str) -> None:
    with pytest.raises(BadInput, match="negatives must be"):
        Ranking(negatives=negatives)


@pytest.mark.parametrize("k", [2, 3])
def test_ntxent_is_its_double_loop(k: int) -> None:
    views = [pairs(4, 5, seed)[0] for seed in range(k)]
    z = np.concatenate([unit(v) for v in views])
    image = np.tile(np.arange(4), k)
    total, count = 0.0, 0
    for i in range(4 * k):
        negatives = sum(math.exp(z[i] @ z[m] / 0.1) for m in range(4 * k) if image[m] != image[i])
        for j in range(4 * k):
            if j != i and image[j] == image[i]:
                true = math.exp(z[i] @ z[j] / 0.1)
                total -= math.log(true / (true + negatives))
                count += 1
    assert float(NTXent(0.1)(views)) == pytest.approx(total / count, rel=1e-4)


def test_sinkhorn_is_balanced_and_equals_the_loop() -> None:
    """Scores like the cosines of random vectors of 128 dimensions."""
    scores = torch.randn(64, 16, generator=torch.Generator().manual_seed(0)) * 128**-0.5
    q = sinkhorn(scores, 0.05, 10)
    assert torch.allclose(q.sum(1), torch.ones(64), atol=1e-5)
    assert q.sum(0) == pytest.approx(torch.full((16,), 4.0), rel=0.01)
    plain = np.exp(scores.double().numpy() / 0.05).T
    plain /= plain.sum()
    for _ in range(3):
        plain = plain / plain.sum(1, keepdims=True) / 16
        plain = plain / plain.sum(0, keepdims=True) / 64
    assert np.allclose(sinkhorn(scores, 0.05, 3).numpy(), (plain * 64).T, atol=1e-5)
    assert torch.isfinite(sinkhorn(scores.half() * 1.0, 0.03, 10)).all()


def test_swav_is_its_loop_and_its_codes_have_no_gradient() -> None:
    loss = SwAV(5, 7)
    views = [pairs(8, 5, seed)[0].requires_grad_() for seed in range(3)]
    loss.before_step(0)
    assert torch.allclose(loss.prototypes.norm(dim=1), torch.ones(7))
    found = loss(views)
    c = loss.prototypes.detach().double().numpy()
    scores = [unit(v.detach()) @ c.T for v in views]
    total = 0.0
    for i in (0, 1):
        codes = sinkhorn(torch.from_numpy(scores[i]), 0.05, 3).double().numpy()
        for v in range(3):
            if v != i:
                logits = scores[v] / 0.1
                logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
                total -= (codes * logs).sum(1).mean() / 2
    assert float(found["loss"].detach()) == pytest.approx(total / 2, rel=1e-4)
    found["loss"].backward()
    assert loss.prototypes.grad.abs().sum() > 0
    frozen = SwAV(5, 7, freeze=3)
    frozen(views)["loss"].backward()
    frozen.after_backward(2)
    assert frozen.prototypes.grad is None


def test_the_queue_joins_the_assignment_only() -> None:
    loss = SwAV(5, 7, queue=16)
    views = [pairs(8, 5, seed)[0] for seed in range(2)]
    first = loss(views)["loss"].detach()
    for seed in (10, 20):
        loss([pairs(8, 5, seed + view)[0] for view in range(2)])
    with_queue = loss(views)["loss"]
    assert not loss.queue.requires_grad
    assert float(first) != pytest.approx(float(with_queue.detach()))


SHARD = """
import os, sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from veduta.learn.objectives.infonce import InfoNCE
distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()
generator = torch.Generator().manual_seed(0)
x, y = torch.randn(8, 6, generator=generator), torch.randn(8, 6, generator=generator)
layer = torch.nn.Linear(6, 4, bias=False)
layer.weight.data = torch.randn(4, 6, generator=generator)
model = DistributedDataParallel(layer)
mine = slice(rank, None, world)
loss = InfoNCE()(model(x[mine]), model(y[mine]))
loss.backward()
if rank == 0:
    torch.save({"loss": loss.detach(), "gradient": layer.weight.grad}, sys.argv[1])
distributed.barrier()  # the first to leave must not cut the other off
distributed.destroy_process_group()
os._exit(0)  # torch aborts now and then while the interpreter shuts down, when all is done and closed
"""


SWAV = """
import os, sys, torch
from torch import distributed
from veduta.learn.objectives.swav import SwAV
distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()
torch.manual_seed(0)
objective, losses = SwAV(6, 4, queue=16), []
for step in range(4):
    views = [torch.randn(8, 6, generator=torch.Generator().manual_seed(10 * step + view)) for view in range(3)]
    loss = objective([view[rank::world] for view in views])["loss"].detach()
    distributed.all_reduce(loss)
    losses.append(loss / world)
if rank == 0:
    torch.save({"losses": torch.stack(losses)}, sys.argv[1])
distributed.barrier()
distributed.destroy_process_group()
os._exit(0)
"""


def on_processes(tmp_path: Path, script: str) -> list[dict[str, torch.Tensor]]:
    """What the script saves on one and on two processes."""
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = []
    for world in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
        done = subprocess.run(
            [*command, str(tmp_path / "script.py"), str(tmp_path / f"{world}.pt")], env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr[-1500:]
        found.append(torch.load(tmp_path / f"{world}.pt", weights_only=True))
    return found


def test_two_processes_have_the_loss_and_gradient_of_one(tmp_path: Path) -> None:
    found = on_processes(tmp_path, SHARD)
    assert float(found[0]["loss"]) == pytest.approx(float(found[1]["loss"]), rel=1e-5)
    assert torch.allclose(found[0]["gradient"], found[1]["gradient"], atol=1e-5)


def test_two_processes_share_one_queue(tmp_path: Path) -> None:
    found = on_processes(tmp_path, SWAV)
    assert torch.allclose(found[0]["losses"], found[1]["losses"], atol=1e-5)
