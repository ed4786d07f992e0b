"""Train a classifier on labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from veduta.engine.operation import Field
from veduta.learn.learner import Learner
from veduta.learn.targets import named
from veduta.models.options import refuse_places
from veduta.pool import Pool, View

if TYPE_CHECKING:
    from veduta.learn.session import Prepared

SHORT = 30
"""Epochs below which strong regularisers cost accuracy."""


class Classify(Learner):
    """Train a network to tell the values of a column from the pixels.

    `model` "auto" is EfficientNet-Lite0 from its packaged ImageNet weights, of which the last two of seven stages are trained
    (a third of the time of all, which `freeze` 0 trains), or simplenet_310k from scratch where images are 64 pixels or
    less. Cross-entropy with label smoothing; AdamW, cosine, moving average. The weights that are kept are those with the
    best accuracy on held-out rows. Memory: batch * size^2 * 12 bytes for the pixels, and up to 512 MiB of decoded images.
    """

    target: str = Field("label", description="column with the class of each row")
    model: str = Field("auto", description="network: auto, timm:NAME, or one of Veduta's own (simplenet_310k, ...)")
    options: dict[str, Any] = Field(
        {}, description='options of the network as JSON, e.g. {"width": 0.5} or {"se": true}'
    )
    pretrained: bool | None = Field(
        None, description="start from published weights (timm: fetched once); by default only for auto"
    )
    freeze: int | None = Field(
        None,
        ge=0,
        description="how many first stages of the pretrained network stay as they are, stem included; by default 5 of auto's",
    )
    size: int | None = Field(
        None, ge=8, description="side in pixels of what the network sees; by default the network's"
    )
    views: str = Field(
        "auto", description="augmentation by name: auto, train, cifar, cifar-cutout, imagenet, randaugment, ..."
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target that is spread over all classes")
    mixup: float = Field(0.0, ge=0, description="alpha of Mixup; 0 is none")
    cutmix: float = Field(0.0, ge=0, description="alpha of CutMix; 0 is none")
    targets: str | None = Field(
        None,
        description="column of soft targets to train on in the place of the labels, e.g. relabel:local_multi; without label_smoothing",
    )
    drop: float = Field(0.0, ge=0, lt=1, description="dropout before the classifier")
    drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth, where the network has it")

    @field_validator("options")
    @classmethod
    def _no_places(cls, options: dict[str, Any]) -> dict[str, Any]:
        refuse_places(options)
        return options

    def reads(self) -> list[str]:
        return [self.target, "split", *([named.parse(self.targets).column] if self.targets is not None else [])]

    def advice(self) -> list[str]:
        """Sentences on settings that are allowed and known to disappoint."""
        found = []
        smoothing = self.label_smoothing if self.targets is None else 0
        if self.targets is not None and self.label_smoothing and "label_smoothing" in self.model_fields_set:
            found.append("soft targets are not smoothed further, so label_smoothing has no effect with --targets")
        rates = (smoothing, self.mixup, self.cutmix, self.drop, self.drop_path)
        regularisers = sum(rate > 0 for rate in rates) + ("randaugment" in self.views)
        if self.optimizer == "sgd" and self.weight_decay >= 1e-4 and regularisers >= 3:
            found.append(
                f"a weight decay of {self.weight_decay:g} together with {regularisers} regularisers can cost more than they "
                "gain (ResNet-RS); a smaller --weight-decay such as 4e-5 may do better"
            )
        if self.epochs is not None and self.epochs < SHORT and (self.drop > 0.2 or self.drop_path > 0):
            found.append(
                f"dropout above 0.2 and stochastic depth pay in long runs only, and this one has {self.epochs:g} epochs; "
                "give more --epochs, or --drop 0 --drop-path 0"
            )
        return found

    def check(self, pool: View) -> None:
        pool.require(self.target, needed_by="learn classify", mend="name the column of labels with --target")
        if self.targets is not None:
            named.require(self.targets, pool, "learn classify")

    def prepare(self, pool: Pool, where: str | None, selection: str | None) -> Prepared:
        from veduta.learn.classify_task import prepare

        self.check(pool)
        return prepare(self, pool, where, selection)
