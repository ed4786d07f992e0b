"""COCO JSON in all its places: instances, keypoints, captions, panoptic and stuff files, each with its own images."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from veduta.errors import SourceError
from veduta.pool.readers import images
from veduta.pool.readers.layouts.coco_file import CocoFile, file_name, looks_like_coco, looks_like_results, same_id
from veduta.pool.readers.layouts.coco_merge import Merge
from veduta.pool.readers.layouts.image_roots import ImageRoots, Root, absent_path
from veduta.pool.readers.layouts.noted import Noted
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

# JSON files that are looked at before a tree is taken for something else.
_LOOKED_AT = 100
RESULTS = "COCO results (detections of a model; read them with: veduta annotate import)"


class Coco:
    """The layout `coco`. files: the annotation files by path below the root; all of the tree when None.

    images: the folder that all file names count from, relative to the root; found for each file when None.
    """

    name = "coco"
    title = "COCO"

    def __init__(self, files: Sequence[str] | None = None, images: str | None = None) -> None:
        self._files, self._images = files, images

    def claim(self, survey: Survey, tree: Tree) -> str:
        """Counts the annotation files among the first JSON files of the tree."""
        stems = {posixpath.splitext(p)[0] for p in survey.paths(*images.SUFFIXES)}
        found = annotation_files(survey.paths(".json"), stems, survey, tree)
        if len(found) > 1:
            return f"{found[0]} and {len(found) - 1} more are COCO annotation files"
        return f"{found[0]} is a COCO annotation file" if found else ""

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        """Reads all annotation files. Raises SourceError if there is none, or if none of those asked for can be read."""
        paths = [file.path for file in tree.files(Notes())]
        pictures = [p for p in paths if images.is_image(p)]
        stems = {posixpath.splitext(p)[0] for p in pictures}
        given = self._files
        if given is None:
            jsons = [p for p in paths if images.suffix(p) == ".json"]
            given = annotation_files(jsons, stems, survey, tree)
            for path in jsons:
                alone = posixpath.splitext(path)[0] not in stems
                if alone and path not in given and looks_like_results(survey.head(tree, path)):
                    notes.skip(path, "a model's detections, not annotations", RESULTS)
        if not given:
            raise SourceError(f"{tree.name} holds no COCO annotations; name the JSON file")
        roots = ImageRoots(pictures)
        merge = Merge(tree, notes, [p for p in paths if p.lower().endswith(".png")])
        failures: list[SourceError] = []
        predicted: list[CocoFile] = []
        for path in given:
            try:
                file = _parse(tree, path)
            except SourceError as error:
                failures.append(error)
                notes.problem(path, str(error).removeprefix(f"{path} "), hides="all")
                continue
            if file.predicted:
                predicted.append(file)
            else:
                self._add(file, roots, merge, notes, survey)
        for file in predicted:
            if merge.has_objects:
                notes.skip(file.path, "its objects carry scores and other files have annotations", RESULTS)
                merge.noted.used.add(file.path)
            else:
                self._add(file, roots, merge, notes, survey)
        failed = bool(failures) and len(failures) == len(given)
        if failed and self._files is not None:
            raise failures[0]
        noted = merge.done()
        noted.failed = failed
        noted.pictures = sum(p not in noted.used for p in pictures)
        if self._files is None and (failures or 0 < 2 * len(noted.records) < noted.pictures):
            noted.take_all()
        return noted

    def _add(self, file: CocoFile, roots: ImageRoots, merge: Merge, notes: Notes, survey: Survey) -> None:
        names = [name for image in file.images if (name := file_name(image))]
        if self._images is None:
            root = roots.root([n for n in names if "://" not in n], file.path)
        else:
            root = Root(self._images, self._images)
        if root.rivals:
            where = ", ".join(r or "the root" for r in root.rivals[:3])
            notes.warn(
                file.path,
                f"the same file names lie in {where}; read it by itself: veduta ingest {file.path} --root FOLDER_OF_IMAGES",
            )
        missing, ids = 0, {}
        for image in file.images:
            name = file_name(image)
            if name is None:
                notes.problem(f"{file.path}: image {image.get('id')}", "no file_name", hides="all")
                continue
            found = roots.find(name, root, notes) if "://" not in name else None
            path = found or absent_path(name, root)
            missing += found is None and "://" not in name
            number = same_id(image.get("id"))
            if number in ids and ids[number] != path:
                notes.warn(file.path, f"two images have the id {image.get('id')}; annotations go to the first")
            ids.setdefault(number, path)
            merge.image(file, image, path, there=found is not None)
        if names and missing == len(names) and not survey.hidden:
            notes.warn(
                file.path,
                f"the images were not found beside the annotations ({names[0]}); read the file by itself: "
                f"veduta ingest {file.path} --root FOLDER_OF_IMAGES",
            )
        merge.annotations(file, ids)


def annotation_files(paths: Iterable[str], stems: set[str], survey: Survey, tree: Tree) -> list[str]:
    """Those that are COCO's by their start, sorted; JSON files of single pictures (`stems`) are looked at last."""
    nearest = sorted(paths, key=lambda p: (posixpath.splitext(p)[0] in stems, p.count("/"), p))
    return sorted(p for p in nearest[:_LOOKED_AT] if looks_like_coco(survey.head(tree, p)))


def _parse(tree: Tree, path: str) -> CocoFile:
    file = tree.find(path)
    if file is None:
        raise SourceError(f"{path} does not exist; name a COCO JSON file or its folder")
    try:
        return CocoFile.parse(file.read(), path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
