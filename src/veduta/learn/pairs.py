"""Train images and texts into one space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from veduta.engine.operation import Field
from veduta.errors import BadInput
from veduta.learn.learner import Learner
from veduta.pool import Pool, View

if TYPE_CHECKING:
    from veduta.learn.session import Prepared


class Pairs(Learner):
    """Train a space that images and texts share, from images with captions, titles or tags.

    Objectives: `clip`, symmetric InfoNCE with a learned temperature (Radford et al. 2021, arXiv 2103.00020);
    `convirt`, InfoNCE with fixed temperature and weighted directions (Zhang et al. 2022, arXiv 2010.00747);
    `ranking`, a two-way margin ranking loss (Karpathy et al. 2014; Baqapuri 2016, arXiv 1601.03478).
    `image` is `image`, for a network that is trained, or an embedding column, whose vectors then go through a trained
    head: minutes instead of hours. One text (or sentence) of a row is drawn at each visit; equal texts of a batch are not
    each other's negatives. A column `group` says which rows show the same thing: they are not negatives of each other, and are
    held out for validation together. The finished run gives unit vectors like every encoder, so that one trained with the score
    `dot` is searched by cosine all the same.

    A run may start from another one (`init`), whose networks it then has, and be averaged with it at the end: with `wise` a, the
    weights are (1 - a) of the start and a of the best ones (Wortsman et al. 2022, arXiv 2109.01903; Fang et al. 2024, arXiv
    2309.17425, section 4). The run's folder keeps the digests of the images it was trained on, those of its start among
    them, so that `annotate align` gives them no score. `evaluation_sets` is for the record alone.
    """

    image: str = Field("embedding", description="image, or a column of vectors that a head is trained on")
    text: list[str] = Field(["captions"], min_length=1, description="columns with texts or lists of texts")
    objective: Literal["clip", "convirt", "ranking"] = Field("clip", description="what is minimised")
    image_tower: str = Field("timm:resnet18", description="the network for --image image: timm:NAME or Veduta's own")
    pretrained: bool = Field(False, description="start the image network from published weights")
    freeze: int = Field(
        0, ge=0, description="how many first stages of the pretrained image network stay as they are, stem included"
    )
    size: int | None = Field(None, ge=8, description="side in pixels of what the image network sees")
    views: str = Field("clip", description="augmentation of images by name: clip, train, convirt-photo, ...")
    text_tower: str = Field("minilm", description="minilm, bow, ngram:2, ngram:3+skip, sse or transformer")
    train_text: bool = Field(False, description="train the upper half of minilm as well; the others always train")
    image_head: Literal["linear", "mlp"] = Field("mlp", description="from image features to the shared space")
    text_head: Literal["linear", "mlp"] = Field("linear", description="from text features to the shared space")
    hidden: int | None = Field(None, ge=1, description="width of the hidden layer of mlp heads; by default the input's")
    drop: float = Field(0.1, ge=0, lt=1, description="dropout on the features before both heads")
    dim: int = Field(256, ge=2, description="dimensions of the shared space")
    temperature: float | None = Field(None, gt=0, description="start (clip: 0.07) or value (convirt: 0.1)")
    weight_image_to_text: float = Field(0.75, ge=0, le=1, description="convirt: weight of that direction")
    margin: float = Field(0.2, gt=0, description="ranking: margin")
    score: Literal["cosine", "dot"] = Field("cosine", description="ranking: score of a pair")
    directions: Literal["both", "sentences", "images"] = Field(
        "both", description="ranking: what is false in a negative pair"
    )
    negatives: str = Field("in_batch", description="ranking: in_batch, random:K, hard:K or semi-hard")
    sentences: bool = Field(False, description="draw single sentences instead of whole texts")
    group: str | None = Field(None, description="column: rows with the same value show the same thing")
    init: str | None = Field(None, min_length=1, description="a finished run of learn pairs to start from: its folder")
    wise: float | None = Field(
        None,
        gt=0,
        le=1,
        description="with init: share of the new weights in their average with the first ones, often 0.5",
    )
    evaluation_sets: list[str] = Field(
        [], description="names of evaluation sets whose training rows are among these; the run's record and card say so"
    )

    @model_validator(mode="after")
    def _averaged_with_something(self) -> Pairs:
        if self.wise is not None and self.init is None:
            raise BadInput("wise of pairs averages with the run that init names; give --init as well")
        return self

    def enough(self) -> float | None:
        """For stored vectors CLIP's 32 passes (section 2.5): two heads learn a small pool by heart soon after."""
        return None if self.image == "image" else 32.0

    def reads(self) -> list[str]:
        stored = [self.image] if self.image != "image" else []
        return [*stored, *self.text, "split", *([self.group] if self.group else [])]

    def check(self, pool: View) -> None:
        for column in [*self.text, *([self.group] if self.group else [])]:
            pool.require(column, needed_by="learn pairs", mend="name the columns with --text and --group")
        if self.accumulate > 1:
            raise BadInput("accumulate of learn pairs must be 1: the rows of a batch are each other's negatives")
        if self.image != "image":
            if self.freeze:
                raise BadInput(
                    "freeze of learn pairs needs --image image; of a column's vectors only a head is trained"
                )
            from veduta.learn.columns import base_of

            base_of(pool, self.image, "learn pairs")

    def prepare(self, pool: Pool, where: str | None, selection: str | None) -> Prepared:
        from veduta.learn.pairs_task import prepare

        self.check(pool)
        return prepare(self, pool, where, selection)
