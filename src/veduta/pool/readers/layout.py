"""What the folders above an image say: its class and its split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from veduta.pool.readers import folder_names as names
from veduta.pool.readers.notes import Notes

FORCED = ("folder", "path", "none")
# A name like "train" is a class among at least so many other words; a "mask" or "camera" among more.
TRAINS, THINGS = 2, 4
# From so many folders on, fewer images a folder than this mean that a folder is one thing, not a class of things.
MANY, FEW_IMAGES = 10, 1.5
# With more images than this, for each one in a class folder, outside of all folders, the folders are not classes.
MOST_FLAT = 3
_NEVER = frozenset(["dates", "folders of a camera"])


@dataclass(slots=True, frozen=True)
class _Folder:
    """A folder that holds images. kinds: what each part of its path is; split_at: the place of its split, -1 if none;
    domain: "A" for a split `trainA`."""

    parts: tuple[str, ...]
    kinds: tuple[str, ...]
    images: int
    split: str | None
    split_at: int
    domain: str | None = None


class Layout:
    """Labels and splits from the names of the folders that hold images, where the names are those of classes.

    The label is the name nearest to the image that is a word: names of places (`images`, `data`, `masks`, ...), splits,
    sizes, numbers of parts, hashes and the two-digit folders that spread files are passed over at any depth, and so is
    a folder that all images share. Whole numbers are classes where they count from 0 or 1, are single digits or come
    back in several splits; numbers with leading zeros never are. There are no labels at all in doubt:

    - below or above a folder named for a date or by a camera, images are a collection of photos, and with most of the
      images there, or a camera's own folder (DCIM, 100APPLE), everything is;
    - one name alone is not a class, unless it lies below a split (`train/cat`);
    - ten folders or more with fewer than 1.5 images each are things, not classes;
    - more than three images in the top folder for each one in a class folder.

    Stray images elsewhere have no label and take none away; how deep the folders lie does not matter (a tree of
    categories). The split is the outermost folder named for one ("Train", "test2017", "seg_train" beside "seg_test");
    `train` alone beside two other words is a class. Of `trainA` and `trainB` beside each other, the letter is the label.

    label_from: "folder" takes the nearest name that is neither place nor split, else the folder itself; "path" all the
    names from the first in which the images differ, joined by "/"; "none" none. Anything else decides as above.
    Memory: about 1 kB a folder with images.
    """

    def __init__(self, images: Mapping[str, int], label_from: str | None = None) -> None:
        """images: how many images lie in each folder, by its "/"-separated path; "" is the root."""
        self._children: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for folder in images:
            parts = _parts(folder)
            for depth, name in enumerate(parts):
                self._children[parts[:depth]].add(name)
        self._contexts: dict[tuple[str, ...], dict[str, str]] = {}
        self._doubts: dict[str, str] = {}
        self._folders = {folder: self._folder(folder, count) for folder, count in images.items()}
        self._shared = _shared([f.parts for f in self._folders.values()])
        self._numbers = self._are_classes(list(self._folders.values()))
        self.why_none = ""
        self._label_from = label_from if label_from in FORCED else None
        self._labels = {folder: self._label(f) for folder, f in self._folders.items()}
        if self._label_from is None:
            self.why_none = self._refused()
            if self.why_none:
                self._labels = dict.fromkeys(self._labels)
        self.classes = sorted({label for label in self._labels.values() if label is not None})
        self.splits = sorted({f.split for f in self._folders.values() if f.split is not None})
        self.holders = self._leading_holders()

    def fields(self, path: str) -> dict[str, str | None]:
        """`label` and `split` of the image at `path` below the root; None where the folders do not say."""
        folder = path.rpartition("/")[0]
        if folder not in self._folders:  # its images have no suffix, so that they were not counted
            self._folders[folder] = self._folder(folder, 0)
            self._labels[folder] = None if self.why_none else self._label(self._folders[folder])
        return {"label": self._labels[folder], "split": self._folders[folder].split}

    def describe(self, *, labels: bool = True) -> str:
        """What was taken from the folders, in words: "2 classes below train/ and test/"; "" for nothing."""
        found = (f.parts[f.split_at] for f in self._folders.values() if f.split_at >= 0)
        splits = " and ".join(f"{name}/" for name in sorted(set(found)))
        if not labels or not self.classes:
            return f"splits from the folders {splits}" if splits else ""
        classes = f"{len(self.classes):,} class{'es' if len(self.classes) != 1 else ''}"
        return f"{classes} below {splits}" if splits else f"{classes} named by folders"

    def tell(self, notes: Notes, *, labels: bool = True) -> None:
        """Note what was guessed. labels: whether the labels come from here."""
        for doubt in self._doubts.values():
            notes.guess("splits", doubt, "--label-from folder")
        if not labels or self._label_from is not None:
            return
        if self.why_none:
            notes.guess("labels", f"none: {self.why_none}", "--label-from folder")
        elif self.classes:
            many = (
                f"the names of the {len(self.classes):,} folders" if len(self.classes) > 1 else "the name of the folder"
            )
            if any(f.domain in self.classes for f in self._folders.values()):
                many = "the letters at the end of the names of the folders"
            what = f"{many} the images lie in ({_few(self.classes)})"
            notes.guess("labels", what, "--label-from none")
            self._tell_joined(notes)

    def _tell_joined(self, notes: Notes) -> None:
        places: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for folder, label in self._labels.items():
            if label is not None:
                f = self._folders[folder]
                places[label].add(tuple(p for p, kind in zip(f.parts, f.kinds) if not kind.strip()))
        joined = sorted(label for label, found in places.items() if len(found) > 1)
        if joined:
            how = f"folders of one name in different places are one class ({_few(joined)})"
            notes.guess("labels", how, "--label-from path")

    def _folder(self, folder: str, images: int) -> _Folder:
        parts = _parts(folder)
        kinds = tuple(self._kind(parts[:depth], name) for depth, name in enumerate(parts))
        at = kinds.index("splits") if "splits" in kinds else -1
        split = domain = None
        if at >= 0:
            found = names.split_suffix(parts[at])
            split = names.split(parts[at]) or (found[1] if found else None) or names.split_numbered(parts[at])
            if split is None:
                split, domain = names.split_domain(parts[at]) or (None, None)
        return _Folder(parts, kinds, images, split, at, domain)

    def _kind(self, parent: tuple[str, ...], name: str) -> str:
        if parent not in self._contexts:
            self._contexts[parent] = self._siblings(parent)
        if parent and name == parent[-1] and (above := self._kind(parent[:-1], name)) in ("holders", "splits"):
            return above  # an archive unpacked into a folder of its own name
        return self._contexts[parent].get(name) or names.kind(name)

    def _siblings(self, parent: tuple[str, ...]) -> dict[str, str]:
        """The kinds of the folders in one folder that are another than their names alone say; a space for a word."""
        siblings = self._children.get(parent, set())
        kinds = {name: names.kind(name) for name in siblings}
        changed: dict[str, str] = {}
        numbered = {name: found for name in kinds if not kinds[name] and (found := names.split_numbered(name))}
        if len({*numbered.values(), *(name for name, kind in kinds.items() if kind == "splits")}) > 1:
            changed |= dict.fromkeys(numbered, "splits")
        domains = {name: found for name in kinds if not kinds[name] and (found := names.split_domain(name))}
        if len(domains) > 1:
            changed |= dict.fromkeys(domains, "splits")
            of, letters = (sorted({found[at] for found in domains.values()}) for at in (0, 1))
            how = f"the folders {_few(sorted(domains))} are read as {', '.join(of)} of the domains {', '.join(letters)}"
            self._doubts["/".join((*parent, *domains))] = how
        kinds |= changed
        words = sorted(name for name, kind in kinds.items() if not kind)
        splits = [name for name, kind in kinds.items() if kind == "splits"]
        if all(names.is_hex(name) for name in siblings) and (
            any(len(name) > 1 and name.isalnum() and not name.isdigit() for name in siblings)
            or (any(name.isdigit() for name in siblings) and words)
        ):
            return dict.fromkeys(siblings, "hashes")
        for name, kind in kinds.items():
            needed = THINGS if kind != "splits" else TRAINS if len(splits) == 1 else len(words) + 1
            if kind and name.lower() in names.THINGS and len(words) >= needed:
                changed[name] = " "
        for name in splits:
            if words:
                said = "a class, not as a split" if name in changed else "a split, not as a class"
                self._doubts[name] = f"the folder '{name}' beside {_few(words)} is read as {said}"
        ends = {name: names.split_suffix(name) for name in words}
        stems = Counter(found[0] for found in ends.values() if found)
        for name, found in ends.items():
            if found and stems[found[0]] > 1:
                changed[name] = "splits"
        if splits or "splits" in changed.values():
            alone = (name for name in words if name not in changed and self._children.get((*parent, name)) == {name})
            changed |= dict.fromkeys(alone, "holders")
        return changed

    def _are_classes(self, folders: list[_Folder]) -> bool:
        """Whether whole numbers are the names of classes."""
        found: dict[str, set[str | None]] = defaultdict(set)
        above: dict[str, set[str]] = defaultdict(set)
        for f in folders:
            at = next((i for i in _inwards(f) if f.kinds[i] not in ("holders", "splits", "numbers of parts")), -1)
            if at < 0 or f.kinds[at] != "numbers":
                continue
            if not names.is_whole(f.parts[at]):
                return False
            found[f.parts[at]].add(f.split)
            above["/".join(p for p, k in zip(f.parts[:at], f.kinds) if not k.strip())].add(f.parts[at])
        values = sorted(map(int, found))
        if len(values) < 2:
            return False
        if len(above) > 1:
            return all(numbers == set("0123456789") for numbers in above.values())
        counted = values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1
        return counted or values[-1] < 10 or all(len(splits) > 1 for splits in found.values())

    def _label(self, f: _Folder) -> str | None:
        if self._label_from == "none" or not f.parts:
            return None
        if self._label_from == "path":
            return "/".join(self._names(f, self._shared)) or f.parts[-1]
        if self._label_from == "folder":
            return next((f.parts[i] for i in _inwards(f) if f.kinds[i] not in ("holders", "splits")), f.parts[-1])
        at = self._candidate(f)
        if _NEVER & set(f.kinds):
            return None
        return f.domain if at < 0 else f.parts[at]

    def _candidate(self, f: _Folder) -> int:
        for i in _inwards(f):
            if i < self._shared and not -1 < f.split_at < i:
                return -1
            if not f.kinds[i].strip() or (f.kinds[i] == "numbers" and self._numbers and names.is_whole(f.parts[i])):
                return i
        return -1

    def _names(self, f: _Folder, start: int = 0) -> list[str]:
        """The names from a depth on that are neither places nor splits."""
        return [p for p, kind in list(zip(f.parts, f.kinds))[start:] if kind not in ("holders", "splits")]

    def _refused(self) -> str:
        """Why no folder's name is a class, though there are names; "" if some are, or if there is nothing to say."""
        labels: Counter[str] = Counter()
        flat, below, photos = 0, True, 0
        for folder, label in self._labels.items():
            f = self._folders[folder]
            if label is not None:
                labels[label] += f.images
                below = below and f.split_at >= 0 and self._candidate(f) > f.split_at
            elif _NEVER & set(f.kinds):
                photos += f.images
            elif len(f.parts) <= self._shared and f.split is None:
                flat += f.images
        if not labels or photos > labels.total() or self._is_of_a_camera():
            return self._named()
        if len(labels) == 1 and not below:
            return f"one folder alone, {_few(labels)}, is not a class"
        total = labels.total()
        if len(labels) >= MANY and total < FEW_IMAGES * len(labels):
            return f"{len(labels):,} folders ({_few(sorted(labels))}) for {total:,} images are things, not classes"
        if flat > MOST_FLAT * total:
            return f"{flat:,} images lie beside the folders {_few(sorted(labels))}, only {total:,} in them"
        return ""

    def _named(self) -> str:
        """What the names are that differ between images without being words."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for f in self._folders.values():
            for depth, (name, kind) in enumerate(zip(f.parts, f.kinds)):
                if (depth >= self._shared or kind in _NEVER) and kind.strip() not in ("holders", "splits", ""):
                    found[kind].setdefault(name)
        if found:
            kind, shown = max(found.items(), key=lambda item: (item[0] in _NEVER, len(item[1])))
            return f"the folders' names ({_few(sorted(shown))}) look like {kind}, not classes"
        alone = [f.parts[i] for f in self._folders.values() for i in _inwards(f) if not f.kinds[i].strip()]
        return f"one folder alone, {_few(alone)}, is not a class" if alone else ""

    def _is_of_a_camera(self) -> bool:
        own = {p for f in self._folders.values() for p, kind in zip(f.parts, f.kinds) if kind in _NEVER}
        return any(names.is_of_a_camera(name) for name in own)

    def _leading_holders(self) -> list[str]:
        one = next(iter(self._folders.values()), None)
        if one is None:
            return []
        count = next((i for i in range(self._shared) if one.kinds[i] != "holders"), self._shared)
        return list(one.parts[:count])


def _parts(folder: str) -> tuple[str, ...]:
    return tuple(folder.split("/")) if folder else ()


def _shared(paths: list[tuple[str, ...]]) -> int:
    """How many of their first parts all paths have in common."""
    first, last = min(paths, default=()), max(paths, default=())
    return next((i for i, (a, b) in enumerate(zip(first, last)) if a != b), min(len(first), len(last)))


def _inwards(f: _Folder) -> Iterator[int]:
    """Places of the parts of a path, the nearest to the image first."""
    return iter(range(len(f.parts) - 1, -1, -1))


def _few(found: Iterable[str]) -> str:
    """The first names of many: "cat, dog, ..."; whole numbers in their order."""
    shown = list(dict.fromkeys(found))
    if all(names.is_whole(name) for name in shown):
        shown.sort(key=int)
    return ", ".join(shown[:2] if len(shown) > 3 else shown) + (", ..." if len(shown) > 3 else "")
