"""Train an image network without labels, from several views of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from veduta.engine.operation import Field
from veduta.errors import BadInput
from veduta.learn.learner import Learner
from veduta.pool import Pool, View

if TYPE_CHECKING:
    from veduta.learn.session import Prepared


class Views(Learner):
    """Train an image network without labels: two views of one image are near each other, others far.

    Objectives: `simclr`, NT-Xent (Chen et al. 2020, arXiv 2002.05709); `g-simclr`, the same with batches that hold one
    image of each cluster (Chakraborty et al. 2020, arXiv 2009.12007; needs the column `cluster`); `swav`, online clustering
    of several crops with balanced codes (Caron et al. 2020, arXiv 2006.09882; SEER, arXiv 2202.08360); `denoise`, the
    denoising autoencoder that G-SimCLR clusters by: one view, from which noise is to be removed.
    No label is read. The run is an encoder (`run:FOLDER`) whose vectors are the network's pooled features; the
    projection that the loss sees is not part of it.
    """

    objective: Literal["simclr", "g-simclr", "swav", "denoise"] = Field("simclr", description="what is minimised")
    model: str = Field("auto", description="network: auto, timm:NAME, or one of Veduta's own")
    pretrained: bool = Field(False, description="start from published weights")
    freeze: int = Field(
        0, ge=0, description="how many first stages of the pretrained image network stay as they are, stem included"
    )
    size: int | None = Field(None, ge=8, description="side in pixels of the large views")
    views: str = Field("auto", description="augmentation by name: auto (the objective's own), simclr, gsimclr, train")
    temperature: float = Field(0.1, gt=0, description="of the similarities")
    projection: list[int] = Field([256, 128], min_length=1, description="widths of the projection behind the network")
    projection_norm: bool = Field(
        False, description="BatchNorm in the hidden layers of the projection, as SwAV and SimCLR have on ResNets"
    )
    cluster: str = Field("cluster", description="g-simclr: column with the cluster of each image")
    compare: str | None = Field(
        None, description="column of labels, never trained on: the run records how often two of a batch are of one"
    )
    noise: float = Field(0.01, ge=0, description="denoise: standard deviation of the noise on pixels in [0, 1]")
    small_views: int = Field(4, ge=0, description="swav: how many small crops besides the two large ones")
    small_size: int | None = Field(None, ge=8, description="swav: side of the small crops; by default half of size")
    prototypes: int = Field(300, ge=2, description="swav: how many")
    epsilon: float = Field(0.05, gt=0, description="swav: Sinkhorn's temperature")
    iterations: int = Field(3, ge=1, description="swav: Sinkhorn's iterations")
    queue: int = Field(0, ge=0, description="swav: past vectors that join the assignment")
    queue_start: int = Field(0, ge=0, description="swav: step from which the queue is used")
    freeze_prototypes: int = Field(0, ge=0, description="swav: first steps in which the prototypes do not move")

    def reads(self) -> list[str]:
        return ["split", *([self.cluster] if self.objective == "g-simclr" else [])]

    def check(self, pool: View) -> None:
        if self.accumulate > 1:
            raise BadInput("accumulate of learn views must be 1: the images of a batch are compared with each other")
        if self.objective == "g-simclr":
            pool.require(
                self.cluster, needed_by="learn views --objective g-simclr", mend="run: veduta annotate cluster"
            )
        if self.compare is not None:
            pool.require(self.compare, needed_by="learn views", mend="name a column of labels with --compare")

    def prepare(self, pool: Pool, where: str | None, selection: str | None) -> Prepared:
        from veduta.learn.views_task import prepare

        self.check(pool)
        return prepare(self, pool, where, selection)
