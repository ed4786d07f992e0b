"""Online clustering of views: each view predicts the balanced code of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.learn.objectives.gather import gather, share, world
from veduta.learn.objectives.sinkhorn import sinkhorn


class SwAV(nn.Module):
    """Swapped prediction with prototypes (Caron et al. 2020, arXiv 2006.09882; SEER, arXiv 2202.08360).

    With unit vectors z and prototypes C (rows of unit norm before every step), scores = z C'. Each of the first `large`
    views gets codes Q by `sinkhorn`, without gradient; all other views predict them: the mean over views v != i of
    -sum_k Q_ik log softmax(scores_v / temperature)_k, then over i. A queue of past vectors of each large view, scored
    with the present prototypes, joins the assignment only. `freeze`: first steps in which the prototypes get no gradient.
    """

    def __init__(
        self,
        dim: int,
        prototypes: int = 300,
        *,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        large: int = 2,
        queue: int = 0,
        queue_start: int = 0,
        freeze: int = 0,
    ) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(prototypes, dim), dim=1))
        self.temperature, self.epsilon, self.iterations, self.large = temperature, epsilon, iterations, large
        self.queue_start, self.freeze = queue_start, freeze
        self.queue: Tensor
        self.seen: Tensor
        self.register_buffer("queue", torch.zeros(large, queue, dim))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def before_step(self, step: int) -> None:
        """Give the prototypes unit norm."""
        self.prototypes.copy_(nn.functional.normalize(self.prototypes, dim=1))

    def after_backward(self, step: int) -> None:
        """Drop the prototypes' gradient while they are frozen: None, so that no momentum moves them."""
        if step < self.freeze:
            self.prototypes.grad = None

    def forward(self, views: Sequence[Tensor]) -> dict[str, Tensor]:
        """views: tensors (n, d) in any scale, the `large` ones first. Returns `loss` and diagnostics: `code_entropy` in nats,
        `used_prototypes`, a share.
        """
        if len(views) < 2:
            raise BadInput(f"SwAV needs two views of each image, got {len(views)}")
        unit = [nn.functional.normalize(view.float(), dim=1) for view in views]
        scores = [z @ self.prototypes.float().T for z in unit]
        loss = scores[0].new_zeros(())
        codes = []
        for i in range(min(self.large, len(views))):
            codes.append(self._codes(i, unit[i].detach(), scores[i].detach()))
            for v, predicted in enumerate(scores):
                if v != i:
                    logs = nn.functional.log_softmax(predicted / self.temperature, dim=1)
                    loss = loss - (codes[i] * logs).sum(1).mean() / (len(views) - 1)
        self._remember([z.detach() for z in unit[: self.large]])
        every = torch.cat(codes)
        entropy = -(every * every.clamp(min=1e-12).log()).sum(1).mean()
        used = torch.bincount(every.argmax(1), minlength=len(self.prototypes)).gt(0).float().mean()
        return {"loss": loss / len(codes), "code_entropy": entropy, "used_prototypes": used}

    def _codes(self, view: int, z: Tensor, scores: Tensor) -> Tensor:
        length = self.queue.shape[1]
        if length and int(self.seen) >= max(self.queue_start, -(-length // max(1, len(z) * world()))):
            past = share(self.queue[view]) @ self.prototypes.detach().float().T
            scores = torch.cat([past, scores])
        return sinkhorn(scores, self.epsilon, self.iterations)[-len(z) :]

    @torch.no_grad()
    def _remember(self, large: Sequence[Tensor]) -> None:
        self.seen += 1
        length = self.queue.shape[1]
        for view, z in enumerate(large):
            if length:
                fresh = gather(z)[:length]
                self.queue[view] = torch.cat([fresh, self.queue[view, : length - len(fresh)]])
