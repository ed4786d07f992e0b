"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math
from typing import Literal

Name = Literal["cosine", "constant", "step", "one-cycle"]


def factor(name: Name, step: int, steps: int, warmup: float = 0.0) -> float:
    """What the peak learning rate is multiplied by at `step` of 0 ... steps - 1, in (0, 1].

    A linear rise over the share `warmup` of the steps comes first (Goyal et al. 2017, arXiv 1706.02677). Then: cosine to
    0 (Loshchilov and Hutter 2017, arXiv 1608.03983); constant; step: a tenth from one half, a hundredth from three
    quarters; one-cycle: a rise from 1/25 over 30 % of the steps and a cosine to 0 (Smith 2018), `warmup` unused.
    """
    if name == "one-cycle":
        rise = 0.3 * steps
        if step < rise:
            return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * (step + 1) / (rise + 1))) / 2
        return (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise))) / 2
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(1, steps - rising)
    if name == "constant":
        return 1.0
    if name == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    return (1 + math.cos(math.pi * done)) / 2
