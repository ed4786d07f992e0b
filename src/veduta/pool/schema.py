"""The core columns of a pool and their types."""

from __future__ import annotations

import pyarrow as pa

OBJECT = pa.struct(
    [
        pa.field("class", pa.string()),
        pa.field("box", pa.list_(pa.float32(), 4)),  # x, y, width, height in pixels of the oriented image
        pa.field("mask", pa.string()),  # COCO compressed run-length encoding
        pa.field("keypoints", pa.list_(pa.float32())),  # x, y, visibility, ...
        pa.field("attributes", pa.string()),  # JSON
        pa.field("iscrowd", pa.bool_()),
        pa.field("source", pa.string()),
    ]
)

# Lance keeps a blob column out of line: scans of other columns never touch the image bytes.
IMAGE = pa.field("image", pa.large_binary(), metadata={"lance-encoding:blob": "true"})

CORE = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("digest", pa.string()),
        IMAGE,
        pa.field("uri", pa.string()),
        pa.field("stamp", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("format", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("error", pa.string()),
        pa.field("split", pa.string()),
        pa.field("label", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("captions", pa.list_(pa.string())),
        pa.field("license", pa.string()),
        pa.field("author", pa.string()),
        pa.field("source_url", pa.string()),
        pa.field("objects", pa.list_(OBJECT)),
        pa.field("relations", pa.string()),
        pa.field("camera", pa.string()),
    ]
)

# Set by the ingest itself; a reader's fields of these names are put under `source_<name>`.
OWN = ("key", "digest", "image", "uri", "stamp", "width", "height", "format", "bytes", "error")
GIVEN = tuple(name for name in CORE.names if name not in OWN)

OPERATION = b"veduta:operation"
PARAMETERS = b"veduta:parameters"
FINGERPRINT = b"veduta:fingerprint"
INPUTS = b"veduta:inputs"
RENEWED = b"veduta:renewed"
"""Set where an ingest has changed values of a column in place: what was made from the column is out of date then."""
