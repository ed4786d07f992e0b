"""What a file other than an image is, in the words by which such files are counted: "videos (.mp4)"."""

from __future__ import annotations

import re

from veduta.pool import limits
from veduta.pool.readers import images

_KINDS = {
    "videos": "mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp mts m2ts ogv",
    "audio files": "mp3 wav flac ogg m4a aac opus",
    "PDF documents": "pdf",
    "documents": "doc docx odt rtf ppt pptx odp epub djvu key pages",
    "spreadsheets": "xls xlsx ods numbers",
    "vector drawings": "svg svgz eps ps ai cdr emf wmf",
    "files of drawing programs": "psd psb xcf kra clip sketch fig blend indd",
    "medical volumes": "nii mhd mha nrrd",
    "slides and microscope images": "svs ndpi vms scn mrxs czi lif nd2 oib vsi",
    "high-dynamic-range pictures": "exr hdr rgbe",
    "astronomical pictures": "fits fit fts",
    "textures": "dds ktx ktx2 astc basis",
    "old or rare pictures": "icns cur ani fli flc jls jxr wdp hdp bpg xbm xpm ras",
    "three-dimensional models": "obj mtl stl ply glb gltf fbx usdz",
    "arrays": "npy npz mat h5 hdf5 zarr tfrecord tfrecords lmdb mdb rec idx bin dat",
    "Python pickles": "pkl pickle pt pth joblib",
    "model files": "onnx safetensors ckpt pb tflite caffemodel weights",
    "tables": "csv tsv parquet pq parq arrow feather ipc jsonl ndjson xlsb sqlite db",
    "JSON files": "json geojson",
    "XML files": "xml xmp",
    "text files": "txt caption captions tags md rst log names data yaml yml toml ini cfg conf",
    "web pages": "html htm mhtml",
    "program files": "py ipynb sh bat js ts c cpp h m r java exe dll so",
    "archives of a kind that is not read": "7z rar zst iso cab",
    "compressed files": "gz bz2 xz lz4",
    "check sums": "md5 sha1 sha256 sfv sig asc",
}
_TEXTS = {".json", ".xml", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather"}
_ARCHIVES = "zip tar tgz tbz2 txz"
_BY_SUFFIX = {f".{end}": kind for kind, ends in _KINDS.items() for end in ends.split()}
_ARCHIVE_SUFFIXES = {f".{end}" for end in _ARCHIVES.split()}
_SHARD_STATISTICS = re.compile(r"\d+_stats\.json")


def is_known(name: str) -> bool:
    """Whether the suffix says what a file is, so that its first bytes need not be asked."""
    end = images.suffix(name)
    return end in _BY_SUFFIX or end in _ARCHIVE_SUFFIXES


def most(name: str) -> limits.Limit:
    """How large a file may be that is read as a whole, by its name: annotations and tables are larger than pictures."""
    return limits.DOCUMENT if images.suffix(name) in _TEXTS else limits.FILE


def kind(name: str) -> str:
    """What a file other than an image is, by its name, in the plural: "videos (.mp4)", "files without a suffix"."""
    end = images.suffix(name)
    if not end:
        return "files without a suffix"
    if _SHARD_STATISTICS.fullmatch(name):
        return "statistics of img2dataset's shards (_stats.json)"
    if end in _ARCHIVE_SUFFIXES or name.lower().endswith((".tar.gz", ".tar.bz2", ".tar.xz")):
        end = end if end in _ARCHIVE_SUFFIXES else f".tar{end}"
        return f"archives ({end}): name them as sources of their own"
    found = _BY_SUFFIX.get(end)
    return f"{found} ({end})" if found else f"files of an unknown kind ({end})"
