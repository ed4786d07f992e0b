"""The processes of one training run: one, or those that `torchrun` started."""

from __future__ import annotations

import os
from typing import Any

import torch


def fabric_for(precision: str) -> Any:
    """Lightning Fabric on the GPUs there are, else the CPU. precision: `Settings.precision`."""
    from lightning_fabric import Fabric

    gpu = torch.cuda.is_available()
    chosen = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}.get(
        precision, "bf16-mixed" if gpu else "32-true"
    )
    world = int(os.environ.get("WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="cuda" if gpu else "cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) or 1,
        strategy="ddp" if world > 1 else "auto",
        precision=chosen,
    )
    fabric.launch()
    return fabric


def agreed(fabric: Any, *values: int) -> list[int]:
    """The first process's values, in every process: clocks differ, and what is done together must be done at one step."""
    if fabric.world_size == 1:
        return list(values)
    told = torch.tensor(values, device=fabric.device)
    torch.distributed.broadcast(told, 0)
    return told.tolist()
