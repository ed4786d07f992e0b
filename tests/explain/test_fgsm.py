"""The fast gradient sign method against its closed form for a linear classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from veduta.errors import BadInput
from veduta.explain.fgsm import Normalised, fgsm


class Linear(nn.Module):
    """Two classes: logits 0 and w x."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.drop = nn.Dropout(0.9)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = (self.drop(images) * self.weights).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


def test_it_is_the_closed_form_of_a_linear_classifier() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 5, 4, generator=generator)
    weights[0, 0, 0] = 0
    images = torch.rand(300, 3, 5, 4, generator=generator)  # more than a batch
    labels = torch.randint(0, 2, (300,), generator=generator)
    network = Linear(weights).train()
    made = fgsm(network, images, labels, 0.1)
    # d loss / d x = (p - y) w, whose sign is that of w for class 0 and of -w for class 1.
    signs = torch.where(labels.bool(), -1.0, 1.0).view(-1, 1, 1, 1) * weights.sign()
    assert torch.allclose(made, (images + 0.1 * signs).clamp(0, 1))
    assert network.training
    assert network.weights.grad is None
    assert not made.requires_grad


def test_it_raises_the_loss_and_normalisation_is_inside() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    network = Normalised(inner, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    images, labels = torch.rand(20, 3, 8, 8), torch.randint(0, 3, (20,))
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), 0.2
    assert torch.allclose(network(images), inner((images - mean) / std), atol=1e-5)
    loss = nn.functional.cross_entropy
    before = loss(network(images), labels)
    assert loss(network(fgsm(network, images, labels, 2 / 255)), labels) > before
    assert torch.equal(fgsm(network, images, labels, 0), images)
    assert len(fgsm(network, images[:0], labels[:0], 0.1)) == 0
    with torch.no_grad():
        assert loss(network(fgsm(network, images, labels, 2 / 255)), labels) > before


def test_wrong_input() -> None:
    network, images, labels = nn.Identity(), torch.rand(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(BadInput, match="at least 0"):
        fgsm(network, images, labels, -1)
    with pytest.raises(BadInput, match=r"in \[0, 1\]"):
        fgsm(network, images * 255, labels, 0.1)
    with pytest.raises(BadInput, match="one label an image"):
        fgsm(network, images, labels[:1], 0.1)
