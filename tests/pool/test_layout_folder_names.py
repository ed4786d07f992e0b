"""Which folders' names are classes, which are splits, and what is said where it is a guess."""

from __future__ import annotations

import pytest

from veduta.pool.readers import folder_names
from veduta.pool.readers.layout import Layout
from veduta.pool.readers.notes import Notes


def told(layout: Layout) -> list[str]:
    notes = Notes()
    layout.tell(notes)
    return [str(g) for g in notes.guesses]


def read(*folders: str, images: int = 5, label_from: str | None = None) -> dict[str, tuple[str | None, str | None]]:
    layout = Layout(dict.fromkeys(folders, images), label_from)
    found = {folder: layout.fields(f"{folder}/x.jpg".lstrip("/")) for folder in folders}
    return {folder: (fields["label"], fields["split"]) for folder, fields in found.items()}


NO_CLASSES = {
    "one folder": ["animals"],
    "holders": ["JPEGImages", "SegmentationClass", "labels"],
    "holders of several words": ["label_images_semantic", "original_images", "RAW-images"],
    "nested holders": ["data/images", "data/masks"],
    "COCO": ["train2017", "val2017"],
    "a wrapper above splits": ["animals/train", "animals/test"],
    "shards": ["00000", "00001"],
    "shards below a split": ["train/00000", "val/00000"],
    "parts": ["part-1", "part-2", "batch_3"],
    "dates": ["2019-05-01", "2019-05-02"],
    "years and months": ["2019/05", "2019/06", "2020/01"],
    "years": ["1985", "1986"],
    "a library of photos": ["2019/Holiday Rome", "2020/Anna"],
    "a camera": ["DCIM/100APPLE", "DCIM/101APPLE"],
    "a phone": ["DCIM/Camera", "Pictures/Screenshots", "WhatsApp Images"],
    "hash folders": ["ab/cd", "ab/ce", "0f/33"],
    "hashes": ["3b2f8c1d0e", "123e4567-e89b-12d3-a456-426614174000"],
    "sizes": ["256x256", "512x512"],
    "numbers of things": ["8812", "9921"],
    "leading zeros": ["01", "02", "03"],
}


@pytest.mark.parametrize("folders", NO_CLASSES.values(), ids=NO_CLASSES)
def test_names_that_are_no_classes(folders):
    assert {label for label, _ in read(*folders).values()} == {None}


CLASSES = {
    "plain": {"cat": "cat", "dog": "dog"},
    "a stray image": {"": None, "cat": "cat", "dog": "dog"},
    "Tiny-ImageNet": {"train/n01/images": "n01", "train/n02/images": "n02", "val/images": None},
    "digits": {"train/0": "0", "train/1": "1", "test/0": "0", "test/1": "1"},
    "ten digits in a folder": {f"mnist/{i}": str(i) for i in range(10)},
    "two digits": {"train/3": "3", "train/7": "7", "valid/3": "3", "valid/7": "7"},
    "CUB": {"images/001.Black_footed_Albatross": "001.Black_footed_Albatross", "images/002.Laysan": "002.Laysan"},
    "Places": {"a/abbey": "abbey", "a/alley": "alley", "b/bar": "bar"},
    "ImageNet": {"train/n01440764": "n01440764", "train/n01443537": "n01443537", "val": None},
    "parts of a class": {"cat/part-1": "cat", "cat/part-2": "cat", "dog/part-1": "dog"},
    "numbers in a class": {"cat/1": "cat", "cat/2": "cat", "dog/1": "dog", "dog/2": "dog"},
    "patients": {"8863/0": "0", "8863/1": "1", "9001/0": "0", "9001/1": "1"},
    "depths": {"cat": "cat", "dog": "dog", "deep/bird/owl": "owl"},
    "a vehicle": {"bus": "bus", "car": "car", "train": "train", "truck": "truck"},
    "a thing": {"accordion": "accordion", "ant": "ant", "barrel": "barrel", "chair": "chair", "camera": "camera"},
    "letters": {"A": "A", "B": "B", "C": "C"},
    "years in names": {"train/Acura RL 2012": "Acura RL 2012", "train/BMW M3 2012": "BMW M3 2012"},
    "iNaturalist": {"train/00000_Animalia_Annelida": "00000_Animalia_Annelida", "train/00001_Plantae": "00001_Plantae"},
    "doubled folders": {
        "seg_train/seg_train/sea": "sea",
        "seg_train/seg_train/ice": "ice",
        "seg_test/seg_test/sea": "sea",
        "seg_pred/seg_pred": None,
    },
    "not labelled": {"cat": "cat", "dog": "dog", "unlabeled": None},
}


@pytest.mark.parametrize("expected", CLASSES.values(), ids=CLASSES)
def test_names_that_are_classes(expected):
    assert {folder: label for folder, (label, _) in read(*expected).items()} == expected


def test_splits_in_any_spelling():
    names = "Train TRAINING val Valid validation dev Test testing train2017 Training_Set test_images images_train"
    found = [folder_names.split(name) for name in names.split()]
    expected = "train train val valid validation validation test test train train test train"
    assert found == expected.split()
    assert {folder_names.split(n) for n in ("train_station", "contest", "trains", "test tube")} == {None}
    assert read("Cat/Train", "Cat/Test", "Dog/train")["Cat/Test"] == ("Cat", "test")
    assert (
        read("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a")["seg_test/seg_test/a"][1]
        == "test"
    )


def test_splits_that_count_or_name_domains():
    both = {f"{split}{letter}": (letter, split) for split in ("train", "test") for letter in "AB"}
    assert read(*both) == both
    assert "test, train of the domains A, B" in " ".join(told(Layout(dict.fromkeys(both, 3))))
    assert read("train", "test1") == {"train": (None, "train"), "test1": (None, "test")}
    alone = {"test1": "test1", "cat": "cat"}
    assert {folder: label for folder, (label, _) in read(*alone).items()} == alone
    isic = {"ISIC_Training_Data": (None, "train"), "ISIC_Test_v2_Data": (None, "test")}
    assert read(*isic) == isic


def test_things_and_photos_beside_few_classes():
    assert Layout({f"listing {i}x": 1 for i in range(40)}).classes == []
    assert Layout({"": 500, "edited": 10, "best": 5}).classes == []
    assert Layout({"": 8, "cat": 3, "dog": 3}).classes == ["cat", "dog"]


def test_what_is_said():
    assert told(Layout({"cat": 3, "dog": 3})) == [
        "labels: the names of the 2 folders the images lie in (cat, dog) (otherwise: --label-from none)"
    ]
    assert told(Layout({"2019-05-01": 2, "2019-05-02": 2})) == [
        "labels: none: the folders' names (2019-05-01, 2019-05-02) look like dates, not classes "
        "(otherwise: --label-from folder)"
    ]
    assert told(Layout({"cat": 3, "dog": 3, "test": 9}))[0].startswith("splits: the folder 'test' beside cat, dog")
    assert "(outdoor)" in told(Layout({"church/outdoor": 3, "mosque/outdoor": 3, "bar": 2}))[1]
    assert told(Layout({"images": 3})) == []


def test_the_user_decides():
    assert read("2019-05-01", "2019-05-02", label_from="folder")["2019-05-01"] == ("2019-05-01", None)
    assert read("train/cat/images", "train/dog/images", label_from="folder")["train/cat/images"] == ("cat", "train")
    assert read("images", label_from="folder") == {"images": ("images", None)}
    assert read("top/train/a/b", "top/train/c", label_from="path")["top/train/a/b"] == ("a/b", "train")
    assert read("cat", "dog", label_from="none")["cat"] == (None, None)
