"""Croissant 1.0 metadata (JSON-LD) that describes an export: its files and its columns.

Source: MLCommons Croissant format specification 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.pool.durable import write_atomically

FILE = "croissant.json"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_ENCODINGS = {
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".json": "application/json",
    ".tar": "application/x-tar",
    ".arrow": "application/vnd.apache.arrow.stream",
}
_TABLES = (".parquet", ".jsonl", ".csv")


def describe(
    target: Path,
    schema: pa.Schema,
    *,
    name: str,
    description: str,
    license: str | None = None,
    creator: str | None = None,
) -> dict[str, Any]:
    """The metadata of an export: every table and archive as a file with its SHA-256, loose images as one file set.

    target: the exported file or folder. schema: the exported columns; a table among the files gets a record set
    with a field for each column of a plain type. Cost: one pass over the tables and archives for their digests.
    """
    root = target if target.is_dir() else target.parent
    files = sorted(p for p in (target.rglob("*") if target.is_dir() else [target]) if p.is_file())
    found = [f for f in files if f.suffix.lower() in _ENCODINGS and f.name != FILE]
    distribution: list[dict[str, Any]] = [_file(f, root) for f in found]
    images = {f.suffix.lower() for f in files if f.suffix.lower() not in _ENCODINGS and not f.name.startswith(".")}
    if images:
        distribution.append(
            {
                "@type": "cr:FileSet",
                "@id": "images",
                "name": "images",
                "description": "the images as they came",
                "encodingFormat": "image/*",
                "includes": sorted(f"**/*{end}" for end in images),
            }
        )
    records = [_records(f, root, schema) for f in found if f.suffix.lower() in _TABLES][:1]
    out: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "distribution": distribution,
        "recordSet": records,
    }
    if license:
        out["license"] = license
    if creator:
        out["creator"] = {"@type": "sc:Organization", "name": creator}
    return out


def write(target: Path, schema: pa.Schema, **facts: Any) -> Path:
    """Write the metadata into an exported folder, or beside an exported file as NAME.croissant.json."""
    place = target / FILE if target.is_dir() else target.with_name(f"{target.name}.{FILE}")
    text = json.dumps(describe(target, schema, **facts), indent=2, ensure_ascii=False)
    write_atomically(place, text + "\n")
    return place


def _file(file: Path, root: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    path = file.relative_to(root).as_posix()
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": _ENCODINGS[file.suffix.lower()],
        "sha256": digest.hexdigest(),
    }


def _records(file: Path, root: Path, schema: pa.Schema) -> dict[str, Any]:
    path = file.relative_to(root).as_posix()
    fields = []
    for f in [pa.field("key", pa.string()), *(f for f in schema if f.name != "key")]:
        kind = _data_type(f.type)
        if kind:
            fields.append(
                {
                    "@type": "cr:Field",
                    "@id": f"images/{re.sub(r'[^A-Za-z0-9_.-]', '_', f.name)}",
                    "name": f.name,
                    "dataType": kind,
                    "source": {"fileObject": {"@id": path}, "extract": {"column": f.name}},
                }
            )
    return {
        "@type": "cr:RecordSet",
        "@id": "images-table",
        "name": "images",
        "key": {"@id": "images/key"},
        "field": fields,
    }


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Date" if pa.types.is_date(kind) else ""
