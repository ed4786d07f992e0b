"""The fast gradient sign method: the smallest attack on a classifier, one step up its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from veduta.errors import BadInput

BATCH = 256


def fgsm(network: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """x + eps sign(d loss / d x), clipped to [0, 1] (Goodfellow et al. 2015, arXiv 1412.6572, equation in section 4).

    images: (n, 3, h, w) float32 in [0, 1]; labels: (n,) int64 true classes; eps: largest change of a value, 2/255 say; the loss is
    the cross-entropy of `network(images)`, logits (n, classes). A network that wants normalised pixels must do that itself
    (`veduta.explain.fgsm.Normalised`). Where the gradient is 0 a pixel stays. The network is run in evaluation mode and left as it was; its
    weights collect no gradients. 256 images at a time. Raises BadInput for images outside of [0, 1] or a negative eps.
    """
    if eps < 0:
        raise BadInput(f"eps of fgsm must be at least 0, got {eps}")
    if len(images) and (float(images.min()) < 0 or float(images.max()) > 1):
        raise BadInput(
            f"images of fgsm must be in [0, 1], got {float(images.min()):.3g} to {float(images.max()):.3g}; normalise inside the network"
        )
    if len(images) != len(labels):
        raise BadInput(f"fgsm needs one label an image, got {len(labels)} for {len(images)}")
    training = network.training
    network.eval()
    try:
        made = [
            _step(network, images[at : at + BATCH], labels[at : at + BATCH], eps) for at in range(0, len(images), BATCH)
        ]
    finally:
        network.train(training)
    return torch.cat(made) if made else images.clone()


def _step(network: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    with torch.enable_grad():
        pixels = images.detach().clone().requires_grad_(True)
        loss = cross_entropy(network(pixels), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, pixels)
    return (images + eps * gradient.sign()).clamp(0, 1).detach()


class Normalised(nn.Module):
    """A network behind its normalisation: pixels in [0, 1] in, (x - mean) / std to the network."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) float32 in [0, 1] to what the network gives."""
        return self.network((images - self.mean) / self.std)
