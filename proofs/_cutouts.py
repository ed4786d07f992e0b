"""Cut-outs blended, and moved by factors that are free: sets of small images whose dimension and sharpness are set by hand.

Legend: n images, s side of the images, S side at which a cut-out is kept.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

SIDE, FINE = 32, 64
GREY = 0.5
RANGES = {
    "x": (-0.2, 0.2),  # of half the side
    "y": (-0.2, 0.2),
    "rotation": (-0.3, 0.3),  # radians
    "scale": (0.85, 1.18),
    "hue": (-0.5, 0.5),  # radians of the turn about the grey axis
    "brightness": (0.8, 1.2),
}
"""The factors in the order in which they become free."""
STILL = {"scale": 1.0, "brightness": 1.0}
LEAST = 0.35
"""Share of its bounding square that the mask of a usable cut-out covers."""


@dataclass(frozen=True)
class Task:
    """Tell cut-out A from (1 - blend) A + blend B, while the first `free` factors vary."""

    pair: int
    blend: float
    free: int

    @property
    def name(self) -> str:
        """For folders and figures."""
        return f"pair{self.pair}-blend{round(100 * self.blend)}-free{self.free}"


def cut_out(content: bytes) -> NDArray[np.float32] | None:
    """(4, S, S) premultiplied RGB and mask in [0, 1], in the middle three quarters; None where it is too thin."""
    with Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGBA")
    box = image.getchannel("A").getbbox()
    if box is None:
        return None
    values = np.asarray(image.crop(box), np.float32) / 255
    inner = FINE * 3 // 4
    planes = []
    for plane in (*(values[..., i] * values[..., 3] for i in range(3)), values[..., 3]):
        square = ImageOps.pad(Image.fromarray(plane, "F"), (inner, inner), Image.Resampling.BOX, color=0)
        planes.append(np.pad(np.asarray(square), FINE // 8))
    made = np.stack(planes)
    return made if made[3].sum() >= LEAST * inner * inner else None


def draw(
    a: NDArray[np.float32], b: NDArray[np.float32], task: Task, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """n images (n, s, s, 3) uint8 of cut-outs `a` and `b` (4, S, S) on grey, and their classes, half of each."""
    classes = rng.permutation(np.arange(n) % 2)
    drawn = {
        name: rng.uniform(*bounds, n) if i < task.free else np.full(n, STILL.get(name, 0.0))
        for i, (name, bounds) in enumerate(RANGES.items())
    }
    factors = {name: torch.from_numpy(values.astype(np.float32)) for name, values in drawn.items()}
    blended = torch.from_numpy(np.stack([a, (1 - task.blend) * a + task.blend * b]))
    images = [
        _seen(blended[classes[at : at + 256]], {k: v[at : at + 256] for k, v in factors.items()})
        for at in range(0, n, 256)
    ]
    return np.concatenate(images), classes.astype(np.int64)


def _seen(planes: torch.Tensor, factors: dict[str, torch.Tensor]) -> NDArray[np.uint8]:
    """Cut-outs (n, 4, S, S) moved by their factors (n,) and laid on grey, (n, s, s, 3) uint8."""
    cos, sin = factors["rotation"].cos() / factors["scale"], factors["rotation"].sin() / factors["scale"]
    rows = [torch.stack([cos, -sin, -cos * factors["x"] + sin * factors["y"]], 1)]
    rows.append(torch.stack([sin, cos, -sin * factors["x"] - cos * factors["y"]], 1))
    grid = affine_grid(torch.stack(rows, 1), list(planes.shape), align_corners=False)
    moved = avg_pool2d(grid_sample(planes, grid, align_corners=False), FINE // SIDE)
    colour = torch.einsum("nij,njhw->nihw", hue_turn(factors["hue"]), moved[:, :3])
    colour = colour * factors["brightness"].view(-1, 1, 1, 1)
    whole = (colour + GREY * (1 - moved[:, 3:])).clamp(0, 1)
    return (whole * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def hue_turn(angles: torch.Tensor) -> torch.Tensor:
    """(n, 3, 3) rotations of RGB about the grey axis by angles (n,) (Rodrigues)."""
    axis = torch.full((3,), 3**-0.5)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float32) * 3**-0.5
    cos, sin = angles.cos().view(-1, 1, 1), angles.sin().view(-1, 1, 1)
    return cos * torch.eye(3) + sin * cross + (1 - cos) * torch.outer(axis, axis)
