"""What a page may name on this machine's disk: things inside the pool, and nothing else.

The rule for the form of an operation: a parameter that names a file, a folder or a network (`NAMES`, and whatever is
declared as a Path) may be
- a plain name or a network of a public hub, as `offline`, `timm:resnet50`, `open_clip:ViT-B-32/laion2b_s34b_b79k`;
- the path of something inside the pool's folder, relative to it: `runs/classify`, `run:runs/views`, `artifacts/x.safetensors`;
- for a table that the operation writes, a CSV file among the reports: `reports/merges.csv`.
Absolute paths elsewhere, `..`, `~`, links that lead out of the pool, and URLs are refused; the command line takes them.
A job works in the pool's folder, so that a name that is not a path cannot mean a file elsewhere either.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from veduta.engine.operation import Operation
from veduta.errors import BadInput

NAMES = frozenset(
    (
        *(
            "encoder",
            "model",
            "head",
            "weights",
            "recipe",
            "recipes",
            "file",
            "categories",
            "path",
            "folder",
            "source",
            "url",
            "uri",
        ),
        *(
            "init",
            "teacher",
            "face",
            "person",
            "wordnet",
            "vocabulary",
            "review",
            "table",
            "sheet",
            "against",
            "transfer",
        ),
    )
)
"""Fields of Veduta's operations that are read as a place."""
OWN = frozenset(("filter-quality.test", "domain-shift.reference", "curation.training", "withdraw.keys"))
"""The same for names that are places in one operation alone."""
WRITTEN = frozenset(("table", "sheet"))
"""Those that may be written: a CSV file among the reports, so that no other file of the pool is overwritten."""
READING = frozenset(("import",))
"""Operations whose table is read: anything in the pool's folder."""
RECIPES = frozenset(("recipe", "recipes"))
HUBS = ("timm", "open_clip", "torchvision")
"""Prefixes of networks that are fetched by name."""
FILES = ("onnx", "run", "yunet", "ultralight", "nanodet", "fastestdet")
"""Prefixes of networks that lie in a file or folder."""


def is_place(cls: type[Operation], name: str) -> bool:
    """Whether the parameter `name` of an operation names something outside of the table."""
    own = f"{cls.operation()}.{name}" in OWN
    return name in NAMES or own or "Path" in str(cls.model_fields[name].annotation)


def inside(pool: Path, cls: type[Operation], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with paths inside the pool made absolute. Raises BadInput for a place that a page may not name."""
    return {
        name: _checked(pool, cls.operation(), name, value)
        if name in cls.model_fields and is_place(cls, name)
        else value
        for name, value in parameters.items()
    }


def _checked(pool: Path, operation: str, name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_checked(pool, operation, name, each) for each in value]
    if isinstance(value, dict):
        return {key: _checked(pool, operation, name, each) for key, each in value.items()}
    if not isinstance(value, str) or not value:
        return value
    what = f"{name} of {operation}"
    if name == "keys":
        if value.startswith("@"):
            raise BadInput(f"{what} may not name a file here; give the keys, or run the operation on the command line")
        return value
    if name in WRITTEN and operation not in READING and not re.fullmatch(r"reports/[\w-]+\.csv", value):
        raise BadInput(f"{what} must be a CSV file among the pool's reports here, such as reports/{name}.csv")
    if name in RECIPES and Path(value).suffix not in ("", ".yaml", ".yml"):
        raise BadInput(f"{what} must be a recipe's name or a YAML file, got '{value[:200]}'")
    prefix, colon, rest = value.partition(":")
    if colon and prefix in HUBS and re.fullmatch(r"[\w.@+-]+(/[\w.@+-]+)*", rest) and ".." not in rest:
        return value
    if colon and prefix in FILES:
        file, mark, options = rest.partition("?")
        for _, option in parse_qsl(options):  # one may name a file beside the network's
            _path(pool, what, option)
            if Path(option).is_absolute() or len(Path(option).parts) > 1:
                raise BadInput(f"{what} may name a file beside the network's in its options here, got '{option[:200]}'")
        return f"{prefix}:{_path(pool, what, file)}{mark}{options}"
    return _path(pool, what, value)


def _path(pool: Path, what: str, value: str) -> str:
    """A path in the pool, absolute where there is such a file; else the text, which is then a plain name."""
    refused = BadInput(
        f"{what} may name a network or something inside the pool's folder here, got '{value[:200]}'; "
        "for other places run the operation on the command line"
    )
    if "\0" in value or "\\" in value or ":" in value or value.startswith("~"):
        raise refused
    root, path = pool.resolve(), Path(value)
    if ".." in path.parts:
        raise refused
    try:
        found = (root / path).resolve()
        if not found.is_relative_to(root):
            raise refused
        return str(found) if found.exists() else value if not path.is_absolute() else str(found)
    except OSError:  # a name that is too long, a loop of links
        raise refused from None
