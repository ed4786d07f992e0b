"""The parameters that every training run has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from veduta.engine.operation import Field
from veduta.errors import BadInput
from veduta.learn import length, recipes
from veduta.learn.operation import Learn

LENGTHS = ("steps", "epochs", "budget")


class Settings(Learn):
    """How long, how fast, from which recipe."""

    recipe: str | None = Field(
        None, description="a recipe by name or a YAML file with values for these parameters; given ones win"
    )
    steps: int | None = Field(None, ge=1, description="how long: optimiser steps")
    epochs: float | None = Field(None, gt=0, description="how long: passes over the training rows")
    budget: str | None = Field(
        None, description="how long at most: time as 90s, 10m or 1h30m, start to finish; 10m if nothing is given"
    )
    batch: int = Field(128, ge=2, description="rows of a step, over all processes together")
    accumulate: int = Field(1, ge=1, description="pieces in which a batch is computed, to save memory")
    optimizer: Literal["adamw", "adam", "sgd", "lars"] = Field(
        "adamw", description="adamw, adam, sgd with Nesterov momentum, or lars (SGD with layer-wise rates)"
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd and lars; beta1 of adam and adamw")
    beta2: float = Field(0.999, ge=0, lt=1, description="beta2 of adam and adamw")
    weight_decay: float = Field(0.05, ge=0, description="on weights only: not on biases, norms and temperatures")
    schedule: Literal["cosine", "constant", "step", "one-cycle"] = Field(
        "cosine", description="how the learning rate falls"
    )
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the learning rate rises from 0")
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    ema: bool = Field(True, description="keep a moving average of the weights and judge that one")
    precision: Literal["auto", "32", "bf16", "16"] = Field("auto", description="auto: bf16 on a GPU, 32 bits on a CPU")
    validation: float = Field(
        0.1, ge=0, lt=1, description="share of rows held out for validation where the column split names none"
    )
    tensorboard: bool = Field(False, description="write the curve for TensorBoard as well, into the run's folder")
    seed: int = Field(0, ge=0, description="of the weights, the order of rows, the augmentation and the split")

    @model_validator(mode="before")
    @classmethod
    def _with_recipe(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("recipe"):
            found = recipes.values(str(given["recipe"]), cls.operation(), list(cls.model_fields))
            if any(given.get(name) is not None for name in LENGTHS):  # a length that is given replaces the recipe's
                found = {name: value for name, value in found.items() if name not in LENGTHS}
            return {**found, **given}
        return given

    @model_validator(mode="after")
    def _one_length(self) -> Settings:
        named = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(named) > 1:
            raise BadInput(f"{self.operation()} takes one of steps, epochs and budget, got {' and '.join(named)}")
        if self.budget is not None:
            length.seconds(self.budget)
        if self.batch % self.accumulate:
            raise BadInput(
                f"accumulate of {self.operation()} must divide the batch of {self.batch}, got {self.accumulate}"
            )
        return self

    def enough(self) -> float | None:
        """Passes over the training rows after which a run of a budget ends early, None for no such bound."""
        return None
