"""The proof harness: runs `proofs/<slug>.py`, prints the verdict and keeps the record.

A proof file says what is claimed and measures it:

    SLUG = "off-the-shelf-features"
    CLAIM = "Frozen features and a linear classifier beat hand-made features."

    def run(context: Context) -> Proof:
        proof = Proof(SLUG, CLAIM)
        table = context.load("cifar10")
        with context.timed("features"):
            ...
        proof.measure("cifar10", "frozen", "accuracy", 0.83)
        proof.must("frozen beats hand-made by 10 points", gap, at_least=0.10)
        return proof
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.judge.evidence import Condition, Measure, Proof

if TYPE_CHECKING:
    from veduta.pool import Pool

__all__ = ["Condition", "Context", "Measure", "Proof", "System", "find", "prove", "run_proof", "systems"]

Scale = Literal["cpu", "gpu"]
_PACKAGES = (
    "veduta",
    "numpy",
    "pyarrow",
    "pylance",
    "torch",
    "onnxruntime",
    "scikit-learn",
    "scikit-image",
    "faiss-cpu",
)


@dataclass(slots=True)
class Context:
    """What a proof may ask for. quick: a rehearsal on a fraction of the data, whose verdict counts for nothing."""

    scale: Scale = "cpu"
    seed: int = 0
    data: Path | None = None
    quick: bool = False
    used: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def rng(self, part: str) -> np.random.Generator:
        """The generator of a named part: independent of all other parts and of the order in which they run."""
        return np.random.default_rng([self.seed, int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big")])

    def size(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a rehearsal."""
        return quick if self.quick else full

    def load(self, name: str) -> pa.Table:
        """A sample's rows (see `veduta.samples.load`), from `data/<name>` where the user gave that; noted in the record."""
        from veduta import samples

        own = self.data / name if self.data is not None and (self.data / name).exists() else None
        table = samples.load(name, where=own)
        self.used.append(
            {"sample": name, "rows": table.num_rows, "from": "--data" if own else "sample", "sha256": _digest(table)}
        )
        return table

    def features(self, images: Iterable[bytes], encoder: str = "offline", **options: Any) -> NDArray[np.float32]:
        """Cached unit vectors of image bytes; options as for `veduta.samples.features`."""
        from veduta import samples

        with self.timed("features"):
            return samples.features(images, encoder, **options)

    @contextmanager
    def pool(self, rows: pa.Table, *annotators: Any) -> Iterator[Pool]:
        """A pool of these rows (columns `key` and `image` and any others), by the product's own reader; gone at the end.

        annotators: run in the same pass, e.g. `Embed()`. Rows keep their order.
        """
        import pyarrow.parquet as pq

        import veduta

        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "rows.parquet"
            pq.write_table(rows, source, row_group_size=1024)
            made = veduta.create(Path(folder) / "pool.vd")
            with self.timed("ingest"):
                made.ingest(source, annotators=list(annotators))
            yield made

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the block's wall time under a name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def say(self, text: str) -> None:
        """One line of progress for a person."""
        print(f"  {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class System:
    """A proof file and what its last official run found; `holds` is None if it was never run."""

    slug: str
    claim: str
    file: Path
    holds: bool | None = None
    verdict: str = "not run"
    met: int = 0
    conditions: int = 0
    seconds: float = 0.0
    date: str = ""


def folder() -> Path:
    """Where the proofs are: `proofs/` of the checkout, or the package `veduta_proofs` of an installation."""
    checkout = Path(__file__).parents[3] / "proofs"
    if any(checkout.glob("*.py")):
        return checkout
    spec = importlib.util.find_spec("veduta_proofs")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    raise BadInput("there are no proofs here; they are in the folder proofs/ of a checkout of Veduta")


def find(slug: str, proofs: Path | None = None) -> Path:
    """The file of a proof. Raises BadInput with the names that there are."""
    where = proofs or folder()
    file = where / f"{slug}.py"
    if not file.is_file() or slug.startswith("_"):
        have = ", ".join(system.slug for system in systems(where)) or "none"
        raise BadInput(f"there is no proof '{slug}' in {where} (there are: {have})")
    return file


def run_proof(
    slug: str,
    scale: Scale = "cpu",
    seed: int = 0,
    data: str | Path | None = None,
    *,
    quick: bool = False,
    proofs: Path | None = None,
    results: Path | None = None,
) -> Proof:
    """Run one proof and write its record to `results` (default: `results/` beside the proof file).

    The official record `<slug>.json` is written by a run with the default seed and data only; others are named after
    what differs, and a quick run is not recorded.
    """
    file = find(slug, proofs)
    if scale not in ("cpu", "gpu"):
        raise BadInput(f"scale must be cpu or gpu, got {scale!r}")
    if data is not None and not Path(data).is_dir():
        raise BadInput(f"data must be a folder with one folder a sample, got {data}")
    context = Context(scale, seed, Path(data) if data is not None else None, quick)
    started, start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.perf_counter()
    proof = _module(file).run(context)
    if not isinstance(proof, Proof) or proof.slug != slug:
        raise BadInput(
            f"run() of {file} must return the Proof of '{slug}', got {getattr(proof, 'slug', type(proof).__name__)}"
        )
    proof.record = {
        "scale": scale,
        "seed": seed,
        "quick": quick,
        "data": context.used,
        "started": started,
        "seconds": round(time.perf_counter() - start, 1),
        "stages": {name: round(value, 1) for name, value in context.seconds.items()},
        "hardware": hardware(scale),
        "versions": versions(),
        "code": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    if not quick:
        from veduta.pool.durable import write_atomically

        text = json.dumps(proof.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically((results or file.parent / "results") / f"{_record_name(slug, scale, seed, data)}.json", text)
    return proof


def prove(slug: str, scale: Scale = "cpu", seed: int = 0, data: str | Path | None = None, **options: Any) -> int:
    """Run one proof, print it, and return the exit status: 0 only if the claim holds."""
    from veduta.judge.verdict import show

    proof = run_proof(slug, scale, seed, data, **options)
    show(proof)
    return 0 if proof.holds else 1


def systems(proofs: Path | None = None, results: Path | None = None) -> list[System]:
    """Every proof with its last official result, by name. Nothing is run or imported."""
    where = proofs or folder()
    return [_system(file, results or where / "results") for file in sorted(where.glob("*.py")) if file.name[0] != "_"]


def _system(file: Path, results: Path) -> System:
    claim = _constant(file, "CLAIM")
    record = results / f"{file.stem}.json"
    if not record.exists():
        return System(file.stem, claim, file)
    found = json.loads(record.read_text("utf-8"))
    met = sum(condition["holds"] for condition in found["conditions"])
    return System(
        file.stem,
        claim,
        file,
        found["holds"],
        found["verdict"],
        met,
        len(found["conditions"]),
        found["seconds"],
        found["started"],
    )


def _constant(file: Path, name: str) -> str:
    """A string constant of a module, read without running it."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return str(ast.literal_eval(node.value))
    return ""


def _module(file: Path) -> Any:
    name = "veduta_proof_" + file.stem.replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BadInput(f"{file} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the proof file look themselves up there
    sys.path.insert(0, str(file.parent))  # where what proofs share is: modules whose names start with _
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module


def _record_name(slug: str, scale: Scale, seed: int, data: str | Path | None) -> str:
    parts = [slug, *([scale] if scale != "cpu" else []), *([f"seed{seed}"] if seed else [])]
    return "-".join([*parts, *([f"data-{Path(data).name}"] if data is not None else [])])


def _digest(table: pa.Table) -> str:
    """SHA-256 over keys and image bytes, so that a record names the very pictures it was measured on."""
    total = hashlib.sha256()
    for column in ("key", "image"):
        for chunk in table.column(column).chunks if column in table.column_names else []:
            for value in chunk:
                content = value.as_buffer() if pa.types.is_binary(chunk.type) else str(value.as_py()).encode()
                total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def hardware(scale: Scale) -> dict[str, Any]:
    """Processor, cores that this process may use, memory, accelerator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {"machine": platform.machine(), "system": platform.system(), "cores": cores}
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        found["cpu"] = models[0] if models else platform.processor()
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    if scale == "gpu":
        import torch

        found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
