"""A run of `learn pairs` as the start of another one, and the average of both.

WiSE (Wortsman et al. 2022, arXiv 2109.01903): w = (1 - a) w_start + a w_tuned, tensor by tensor. A filter that was fine-tuned
on a clean set and averaged with what it started from keeps what both know (Fang et al. 2024, arXiv 2309.17425, section 4).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from safetensors.torch import load
from torch import Tensor

from veduta.errors import BadInput
from veduta.learn.run import Run
from veduta.learn.task import Task

if TYPE_CHECKING:
    from veduta.learn.pairs import Pairs

SHAPE = ("dim", "hidden", "image_head", "text_head", "text_tower", "train_text")
"""Parameters of `learn pairs` that decide which tensors there are."""


class Start:
    """A finished run and its weights. Memory: the weights, twice where they are averaged at the end.

    Raises BadInput for what is not a run of `learn pairs`, or one whose parameters give other tensors than `settings`, naming
    the first. base: the encoder whose vectors are trained on, None for pixels.
    """

    def __init__(self, settings: Pairs, base: dict[str, str] | None) -> None:
        self.run = Run(str(settings.init).removeprefix("run:"))
        self.about = self.run.about
        path = self.run.path
        if self.run.kind != "pairs":
            raise BadInput(f"init of learn pairs must be a run of learn pairs, but {path} is a {self.run.kind}")
        theirs = self.about.get("base")
        if (base and base["fingerprint"]) != (theirs and theirs["fingerprint"]):
            here, there = (f"the vectors of '{b['uri']}'" if b else "pixels" for b in (base, theirs))
            raise BadInput(
                f"init of learn pairs: {path} was trained on {there}, and this run would be on "
                f"{'other ' if here == there else ''}{here}; give --image the like of it"
            )
        asked, mine = self.about["asked"]["parameters"], settings.parameters()
        for name in SHAPE if base else (*SHAPE, "image_tower"):
            if asked.get(name) != mine[name]:
                flag = f"--{name.replace('_', '-')} {asked.get(name)}"
                raise BadInput(
                    f"init of learn pairs: {path} has {name} {asked.get(name)}, and this run would have {mine[name]}; give {flag}"
                )
        data = (path / "model.safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != self.about["weights"]:
            raise BadInput(f"the weights in {path} are not those that its record names; restore the folder from a copy")
        self._tensors = load(data)
        self._first: dict[str, Tensor] = {}

    def into(self, task: Task) -> None:
        """Fill the task with the run's weights; a temperature, only where both have one."""
        state = task.state_dict()
        own = {name: value for name, value in self._tensors.items() if not name.startswith("objective.")}
        own |= {n: v for n, v in self._tensors.items() if n.startswith("objective.") and n in state}
        try:
            task.load_state_dict({**{n: v for n, v in state.items() if n.startswith("objective.")}, **own})
        except RuntimeError as error:
            raise BadInput(
                f"the weights in {self.run.path} do not fit this run ({' '.join(str(error).split())[:200]}); give the options of that run"
            ) from None
        self._first = {name: value.detach().clone() for name, value in task.state_dict().items()}

    def average(self, task: Task, share: float) -> None:
        """Put (1 - share) of the first weights and `share` of the present ones into the task; whole numbers stay."""
        now = task.state_dict()
        task.load_state_dict(
            {
                name: self._first[name].to(value).lerp(value, share) if value.dtype.is_floating_point else value
                for name, value in now.items()
            }
        )

    def facts(self) -> dict[str, Any]:
        """What a run that started here says of it."""
        return {"run": str(self.run.path), "weights": self.about["weights"]}
