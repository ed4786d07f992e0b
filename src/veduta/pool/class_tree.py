"""Class trees, and labels mapped onto other labels with a table that a person can review.

A tree knows classes by id ("n02084071"), their names ("dog", "domestic dog") and their parents; a class may have
several parents (WordNet has), so strictly it is a directed acyclic graph.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, MissingPackage, SourceError

REVIEW = pa.schema(
    [
        pa.field("given", pa.string()),
        pa.field("mapped", pa.string()),  # null: no target found
        pa.field("how", pa.string()),
        pa.field("count", pa.int64()),
        pa.field("ambiguous", pa.bool_()),
        pa.field("candidates", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class ClassTree:
    """parents: class id -> ids of its parents ((): a root); names: class id -> its names, the usual one first; glosses:
    class id -> what it means in a few words.
    """

    parents: Mapping[str, tuple[str, ...]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    glosses: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node, above in self.parents.items():
            lost = next((p for p in above if p not in self.parents), None)
            if lost is not None:
                raise BadInput(
                    f"the class tree gives '{node}' the parent '{lost}', which is not a class of it; add a row for it"
                )

    def __len__(self) -> int:
        return len(self.parents)

    def __contains__(self, node: str) -> bool:
        return node in self.parents

    def name(self, node: str) -> str:
        """The usual name of a class; its id where it has none."""
        return (self.names.get(node) or (node,))[0]

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Class id -> ids of its children, sorted."""
        below: dict[str, list[str]] = {node: [] for node in self.parents}
        for node, above in self.parents.items():
            for parent in above:
                below[parent].append(node)
        return {node: tuple(sorted(found)) for node, found in below.items()}

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for node in self.parents:
            for name in dict.fromkeys(normal(n) for n in (*self.names.get(node, ()), node)):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def find(self, label: str) -> tuple[str, ...]:
        """Classes that the label may mean: by id, by name up to case and spelling, then by its parts at commas."""
        if label in self.parents:
            return (label,)
        whole = self._by_name.get(normal(label), ())
        if whole or "," not in label:
            return whole
        # "tench, Tinca tinca" lists synonyms: the classes that most of them share
        votes = Counter(node for part in label.split(",") for node in self._by_name.get(normal(part), ()))
        most = max(votes.values(), default=0)
        return tuple(node for node in self.parents if votes.get(node) == most) if most else ()

    def ancestors(self, node: str) -> dict[str, int]:
        """All classes above `node` and itself, with their least distance in steps, nearest first."""
        if node not in self.parents:
            raise BadInput(f"the class tree has no class '{node}'; look for it with find()")
        distance = {node: 0}
        queue = deque([node])
        while queue:
            here = queue.popleft()
            for parent in self.parents[here]:
                if parent not in distance:
                    distance[parent] = distance[here] + 1
                    queue.append(parent)
        return distance

    def descendants(self, node: str) -> list[str]:
        """All classes below `node` and itself, level by level."""
        if node not in self.parents:
            raise BadInput(f"the class tree has no class '{node}'; look for it with find()")
        found = {node: None}
        queue = deque([node])
        while queue:
            for child in self.children[queue.popleft()]:
                if child not in found:
                    found[child] = None
                    queue.append(child)
        return list(found)

    def common(self, a: str, b: str) -> str | None:
        """The class above (or equal to) both that is nearest to them; ties by id."""
        up, other = self.ancestors(a), self.ancestors(b)
        shared = [(up[n] + other[n], n) for n in up if n in other]
        return min(shared)[1] if shared else None


def from_table(source: str | Path | Mapping[str, str | Sequence[str] | None]) -> ClassTree:
    """A tree from a mapping class -> parent (or parents, or None), a JSON file of one, or a CSV file.

    The CSV has the columns `class` and `parent` (empty for roots), and may have `name`; a class with several parents
    has several rows. Parents without a row of their own become roots.
    """
    names: dict[str, tuple[str, ...]] = {}
    if isinstance(source, Mapping):
        table = {k: _several(v) for k, v in source.items()}
    elif Path(source).suffix.lower() == ".json":
        try:
            loaded = json.loads(Path(source).read_text(encoding="utf-8"))
        except ValueError as error:
            raise SourceError(f"{source} is not JSON: {error}; expected an object class -> parent") from None
        if not isinstance(loaded, dict):
            raise SourceError(f"{source} must hold an object class -> parent, got a {type(loaded).__name__}")
        table = {str(k): _several(v) for k, v in loaded.items()}
    else:
        table = {}
        with Path(source).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"class", "parent"} <= set(reader.fieldnames or ()):
                have = ", ".join(reader.fieldnames or ()) or "none"
                raise SourceError(f"{source} needs the columns class and parent, it has: {have}")
            for row in reader:
                table[row["class"]] = (*table.get(row["class"], ()), *_several(row["parent"]))
                if row.get("name"):
                    names[row["class"]] = (row["name"],)
    for above in list(table.values()):
        for parent in above:
            table.setdefault(parent, ())
    tree = ClassTree(table, names)
    _refuse_circles(tree)
    return tree


def from_folder(root: str | Path) -> ClassTree:
    """The folders below `root` as classes: the id is the path below it, the name its last part."""
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder; name the root of the class folders")
    found = (p.relative_to(root) for p in root.rglob("*") if p.is_dir())
    paths = sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))
    parents = {p: (p.rpartition("/")[0],) if "/" in p else () for p in paths}
    return ClassTree(parents, {p: (p.rpartition("/")[2],) for p in paths})


def from_wordnet(folder: str | Path | None = None) -> ClassTree:
    """The noun synsets of WordNet 3.0 with their hypernyms; ids as in ImageNet ("n02084071").

    folder: WordNet's own `dict` folder (it holds `data.noun`; Debian package wordnet-base has it under
    share/wordnet); None: NLTK's copy. Format: WordNet manual, wndb(5). Instances ("Einstein") count as children.
    """
    if folder is None:
        return _from_nltk()
    path = Path(folder)
    path = path if path.is_file() else path / "data.noun"
    if not path.is_file():
        raise SourceError(f"{folder} has no file data.noun; name WordNet's dict folder")
    parents: dict[str, tuple[str, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    glosses: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(" "):  # the licence at the head of the file
                continue
            data, _, gloss = line.partition("|")
            parts = data.split()
            words = int(parts[3], 16)
            at = 4 + 2 * words
            node = f"n{parts[0]}"
            names[node] = tuple(parts[4 + 2 * i].replace("_", " ") for i in range(words))
            glosses[node] = gloss.strip()
            pointers = (parts[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(parts[at])))
            parents[node] = tuple(f"n{p[1]}" for p in pointers if p[0] in ("@", "@i") and p[2] == "n")
    return ClassTree(parents, names, glosses)


def map_labels(
    labels: Iterable[str | None],
    to: Mapping[str, str | None] | Sequence[str],
    tree: ClassTree | None = None,
) -> pa.Table:
    """How every distinct label would be mapped, one row a label, for review; most frequent labels first.

    to: a mapping label -> new label (None: drop it), or a list of target labels. With a list, a label takes the
    target that is equal up to case and spelling, else the nearest one above it in `tree`. Where the label's name
    stands for several classes that lead to different targets, or two targets are equally near, the row is
    `ambiguous`, `candidates` has them all, and the first in the list's order is taken.
    Edit the table where it is wrong and give it to `apply`.
    """
    counts = Counter(label for label in labels if label is not None)
    if isinstance(to, Mapping):
        loose: dict[str, list[str | None]] = {}
        for label, new in to.items():
            loose.setdefault(normal(label), []).append(new)
        rows = [_by_mapping(label, to, loose) for label in counts]
    else:
        exact = {normal(target): target for target in reversed(to)}
        nodes = {} if tree is None else _target_nodes(to, tree)
        rows = [_by_tree(label, to, exact, nodes, tree) for label in counts]
    return _review(counts, rows)


def merge_labels(labels: Iterable[str | None], tree: ClassTree | None = None) -> pa.Table:
    """Which labels are the same class under different spellings, for review.

    Labels that are equal up to case, spaces, hyphens, underscores and a plural s are merged into the most frequent of
    them; with a tree, so are names of one and the same class. A label that names several classes is only merged by
    spelling, and is marked ambiguous where the tree could have merged it.
    """
    counts = Counter(label for label in labels if label is not None)
    meanings = {label: tree.find(label) if tree else () for label in counts}
    place = {label: f"id {found[0]}" if len(found) == 1 else _stem(label) for label, found in meanings.items()}
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(place[label], []).append(label)
    rows: list[_Row] = []
    for label in counts:
        best = min(groups[place[label]], key=lambda name: (-counts[name], name))
        how = "kept" if best == label else "same spelling" if _stem(best) == _stem(label) else "same class"
        names = [tree.name(node) for node in meanings[label]] if tree and len(meanings[label]) > 1 else []
        rows.append((label, best, how, bool(names), names))
    return _review(counts, rows)


def apply(labels: Sequence[str | None] | pa.Array | pa.ChunkedArray, review: pa.Table) -> pa.Array:
    """The labels as a (reviewed) table maps them; labels that it does not list stay as they are."""
    given = labels.to_pylist() if isinstance(labels, (pa.Array, pa.ChunkedArray)) else labels
    new = dict(zip(review["given"].to_pylist(), review["mapped"].to_pylist(), strict=True))
    return pa.array([new.get(label, label) for label in given], pa.string())


def normal(label: str) -> str:
    """A label without the differences of spelling: case, underscores, hyphens, repeated spaces."""
    return re.sub(r"[\s_\-]+", " ", label).strip().casefold()


def _stem(label: str) -> str:
    name = normal(label)
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.endswith("ss") else name


_Row = tuple[str, str | None, str, bool, list[str]]


def _by_mapping(label: str, to: Mapping[str, str | None], loose: Mapping[str, list[str | None]]) -> _Row:
    if label in to:
        return label, to[label], "given" if to[label] is not None else "dropped", False, []
    found = list(dict.fromkeys(loose.get(normal(label), [])))
    if not found:
        return label, None, "not in the mapping", False, []
    return label, found[0], "spelling", len(found) > 1, [f for f in found if f is not None] if len(found) > 1 else []


def _target_nodes(targets: Sequence[str], tree: ClassTree) -> dict[str, str]:
    """Class id -> the target that means it; the first target wins."""
    nodes: dict[str, str] = {}
    for target in targets:
        for node in tree.find(target):
            nodes.setdefault(node, target)
    return nodes


def _by_tree(
    label: str, targets: Sequence[str], exact: Mapping[str, str], nodes: Mapping[str, str], tree: ClassTree | None
) -> _Row:
    same = exact.get(normal(label))
    if same is not None:
        return label, same, "same" if same == label else "spelling", False, []
    if tree is None:
        return label, None, "no such target", False, []
    found: dict[str, int] = {}
    meanings = tree.find(label)
    for meaning in meanings:
        up = {node: steps for node, steps in tree.ancestors(meaning).items() if node in nodes}
        nearest = min(up.values(), default=None)
        for node, steps in up.items():
            if steps == nearest:
                found[nodes[node]] = min(steps, found.get(nodes[node], steps))
    if not meanings:
        return label, None, "not in the tree", False, []
    if not found:
        return label, None, "no target above it", False, []
    order = sorted(found, key=lambda target: targets.index(target))
    how = f"{found[order[0]]} steps up" if found[order[0]] != 1 else "1 step up"
    return label, order[0], how if found[order[0]] else "same class", len(order) > 1, order if len(order) > 1 else []


def _review(counts: Counter[str], rows: list[_Row]) -> pa.Table:
    rows.sort(key=lambda row: (-counts[row[0]], row[0]))
    columns: dict[str, list[Any]] = {
        "given": [r[0] for r in rows],
        "mapped": [r[1] for r in rows],
        "how": [r[2] for r in rows],
        "count": [counts[r[0]] for r in rows],
        "ambiguous": [r[3] for r in rows],
        "candidates": [r[4] for r in rows],
    }
    return pa.table(columns, schema=REVIEW)


def _several(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _refuse_circles(tree: ClassTree) -> None:
    """BadInput where a class is above itself (depth-first, without recursion)."""
    state: dict[str, int] = {}
    for start in tree.parents:
        stack = [(start, iter(tree.parents[start]))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            node, above = stack[-1]
            parent = next(above, None)
            if parent is None:
                state[node] = 2
                stack.pop()
            elif state.get(parent) == 1:
                raise BadInput(
                    f"the class tree is circular: '{parent}' stands above itself; remove one of the parents on the way"
                )
            elif parent not in state:
                state[parent] = 1
                stack.append((parent, iter(tree.parents[parent])))


def _from_nltk() -> ClassTree:
    try:
        from nltk.corpus import wordnet
    except ImportError:
        raise MissingPackage("nltk", needed_by="reading WordNet without a dict folder") from None
    try:
        synsets = list(wordnet.all_synsets("n"))
    except LookupError:
        raise SourceError(
            "NLTK has no WordNet here; name WordNet's dict folder, or run: python -m nltk.downloader wordnet"
        ) from None
    parents = {
        f"n{s.offset():08d}": tuple(f"n{h.offset():08d}" for h in (*s.hypernyms(), *s.instance_hypernyms()))
        for s in synsets
    }
    names = {f"n{s.offset():08d}": tuple(n.replace("_", " ") for n in s.lemma_names()) for s in synsets}
    return ClassTree(parents, names, {f"n{s.offset():08d}": s.definition() for s in synsets})
