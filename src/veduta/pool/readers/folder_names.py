"""What the name of a folder says by itself: a split, a place where files are kept, a date, a number, a hash, or a word."""

from __future__ import annotations

import re

# Folders that hold images, or what belongs to them, whatever the images show; never a class. Compared without case,
# spaces, "-", "_" and a trailing number or size ("images_256", "image_2", "Images 512x512").
_HOLDERS = """
    images image imgs img im pics pic pictures picture photos photo photographs jpegimages jpeg jpegs jpg jpgs png pngs
    webp tif tiff bmp gif pngimages rgb rgbs color depth depths depthmap depthmaps disparity normals
    masks mask maskimages labels label labelimages annotations annotation annots annot anns ann groundtruth groundtruths
    gt gts segmentation segmentations segmentationclass segmentationobject segmentationmask segmentationmasks semantic
    semantics instance instances panoptic trimaps trimap leftimg8bit rightimg8bit gtfine gtcoarse bboxes boxes
    data dataset datasets raw raws rawdata original originals orig processed preprocessed resized cropped crops crop
    extracted augmented frames frame video videos clips files file items objtraindata default sources source src
    input inputs output outputs target targets hr lr thumbnails thumbnail thumbs thumb previews preview
    media assets resources static uploads upload attachments content downloads download export exports backup backups
    temp tmp cache samples sample examples example album albums gallery all allimages allimgs
    unlabeled unlabelled unsorted unsup supervised unsupervised yolo coco voc
    vocdevkit pascalvoc cvat kitti labelme labelstudio roboflow newfolder untitledfolder mypictures savedpictures
"""
HOLDERS = frozenset(_HOLDERS.split())

# Of the names that are none by themselves, those that are a class among others: a camera among twenty things.
THINGS = frozenset(["train", "camera", "mask", "frame", "album", "boxes", "gallery", "video"])

_SPLIT_WORDS = {"training": "train", "testing": "test", "dev": "validation"}
_SPLIT = "train|training|val|valid|validation|dev|test|testing"
_WITH_SPLIT = re.compile(
    rf"(?:(?:images?|imgs?|data|jpe?gs?)[ _.-]?)?({_SPLIT})"
    r"(?:[ _.-]?(?:sets?|images?|imgs?|data|dataset|jpe?gs?|photos?|splits?|\d{4}|\d+k))*"
)
SPLITS = frozenset(_SPLIT.split("|"))

_MONTHS = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
_YEAR, _MONTH, _DAY = r"(?:1[89]|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"{_YEAR}(?:[ _.-].*)?"  # 2019, 2019-05, 2019 Rome
    rf"|{_YEAR}{_MONTH}(?:{_DAY}(?:[T _.-].*|\d{{4,6}})?)?"  # 201905, 20190501, 20190501_120000
    rf"|.*(?<!\d){_YEAR}[_.-]{_MONTH}[_.-]{_DAY}(?!\d).*"  # Anna 2019-05-01
    rf"|(?:\d{{1,2}}[_.-]){{2}}(?:\d\d)?\d\d(?:[ _.-].*)?"  # 01-05-2019, 1.5.19
    rf"|{_MONTH}[_.-]{_YEAR}"
    rf"|(?:\d{{1,2}}[ _.,-]*)?(?:{_MONTHS})[ _.,'-]*(?:\d{{1,2}}[ _.,-]+)?{_YEAR}"
    rf"|(?:\d\d[ _.-]+)(?:{_MONTHS})",
    re.IGNORECASE | re.DOTALL,
)
_CAMERA = re.compile(r"dcim|camera(?:[ _-]?roll)?|(?:img|dsc|dscn|dscf|pxl|vid|mvi|pano)[_-]?\d.*", re.IGNORECASE)
_DCF = re.compile(r"[1-9]\d\d[A-Z_][A-Z0-9_]{4}")  # 100APPLE; in upper case only, because "100names" may be a class
_PART = re.compile(
    r"(?:parts?|batch|batches|shards?|chunks?|blocks?|volumes?|vol|dis[ck]s?|folds?|sets?|subsets?|sections?|packs?|buckets?"
    r"|seq|sequences?|sessions?|scenes?|takes?|rolls?|groups?|folders?|dirs?|directory|pages?|runs?|days?|weeks?|months?|years?"
    r"|patients?|subjects?|cases?|participants?|users?|cam|frames?|clips?|videos?|tiles?|split)(?:[ _.-]*\d[\d_.-]*|[ _.-][a-z])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[-_. ]\d+)*")
_WHOLE = re.compile(r"0|[1-9]\d{0,5}")
_UUID = re.compile(r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?", re.IGNORECASE)
_HASH = re.compile(r"(?=.*\d)[0-9a-f]{8,}", re.IGNORECASE)
_SIZE = re.compile(r"x?\d+(?:px|x\d+|x)|x\d+|\d+p", re.IGNORECASE)
_TAIL = re.compile(r"(?:\d+(?:x\d+)?(?:px)?)?$")


def split(name: str) -> str | None:
    """The split that a folder is named for ("train2017" -> "train", "Validation_Set" -> "validation"), else None."""
    found = _WITH_SPLIT.fullmatch(name.strip().lower())
    return _SPLIT_WORDS.get(found[1], found[1]) if found else None


def is_holder(name: str) -> bool:
    """Whether a folder of this name only keeps files together."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    spoken = [word for word in words if not word.isdigit()]
    if len(spoken) > 1 and all(_TAIL.sub("", word) in HOLDERS - THINGS for word in spoken):
        return True  # "original_images", "label_images_semantic"
    plain = "".join(words)
    return plain in HOLDERS or _TAIL.sub("", plain) in HOLDERS or bool(_SIZE.fullmatch(name))


def split_suffix(name: str) -> tuple[str, str] | None:
    """("seg", "train") for "seg_train" and "seg_train_images"; a split only where another split of the same beginning stands beside it."""
    found = re.fullmatch(
        rf"(.+?)[ _.-]({_SPLIT})(?:[ _.-](?:sets?|images?|imgs?|data|dataset|v\d+))*", name.strip().lower()
    )
    return (found[1], _SPLIT_WORDS.get(found[2], found[2])) if found else None


def split_numbered(name: str) -> str | None:
    """The split of "test1"; one only where another split stands beside it."""
    found = re.fullmatch(rf"({_SPLIT})[ _.-]?\d{{1,3}}", name.strip().lower())
    return _SPLIT_WORDS.get(found[1], found[1]) if found else None


def split_domain(name: str) -> tuple[str, str] | None:
    """("train", "A") for "trainA", as sets of two domains are called; only where another one stands beside it."""
    found = re.fullmatch(rf"((?i:{_SPLIT}))[ _.-]?([A-Z])", name.strip())
    return (_SPLIT_WORDS.get(found[1].lower(), found[1].lower()), found[2]) if found else None


def is_of_a_camera(name: str) -> bool:
    """Whether cameras and phones make folders of this name for all they take."""
    return name.lower() == "dcim" or bool(_DCF.fullmatch(name))


def is_whole(name: str) -> bool:
    """Whether the name is a whole number as people count: no leading zero."""
    return bool(_WHOLE.fullmatch(name))


def is_hex(name: str) -> bool:
    """Whether the name may be a step of a tree that spreads files by their hash ("a3", "0f1")."""
    return bool(re.fullmatch(r"[0-9a-f]{1,4}", name))


def kind(name: str) -> str:
    """Why a name is not a class, in words ("dates"), or "" for a word; "holders" and "splits" for those."""
    if split(name):
        return "splits"
    if _CAMERA.fullmatch(name) or _DCF.fullmatch(name):
        return "folders of a camera"
    if is_holder(name):
        return "holders"
    if _DATE.fullmatch(name):
        return "dates"
    if _UUID.fullmatch(name) or _HASH.fullmatch(name):
        return "hashes"
    if _NUMBER.fullmatch(name):
        return "numbers"
    return "numbers of parts" if _PART.fullmatch(name) else ""
