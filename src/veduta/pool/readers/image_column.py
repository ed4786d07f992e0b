"""Which column of a table holds its images, and in which form."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool.readers import images, pasted
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.path_columns import IDS, LINKS, PATH_COLUMNS, named, of_values, plain
from veduta.pool.readers.roots import Roots, is_link

BYTE_COLUMNS = (
    *("image", "img", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp", "data", "content", "picture"),
    *("photo", "pixel_values", "image_data", "img_bytes"),
)
_PASTED = ("image_base64", "base64", "b64", "image_b64", "image_data", "data")
_LISTS = ("images", "image", "imgs", "image_paths", "file_names", "pictures", "photos")
_OPTION = "image='...' (--image-column)"


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """form: "bytes", "struct" (of bytes and path) or "path" (also links and base64). is_list: several a row."""

    name: str
    form: str
    is_list: bool = False

    def contents(self, row: dict[str, Any]) -> list[tuple[bytes | None, str | None]]:
        """(bytes, path) of the row's image, or of each where there are several."""
        value = row.get(self.name)
        return [self._one(v) for v in value or []] if self.is_list else [self._one(value)]

    def _one(self, value: Any) -> tuple[bytes | None, str | None]:
        if self.form == "struct" and value is not None:
            return value.get("bytes"), value.get("path")
        if self.form == "bytes":
            return value, None
        if isinstance(value, int) and not isinstance(value, bool):
            return None, str(value)
        return None, value if isinstance(value, str) else None


def bytes_form(kind: pa.DataType) -> str:
    """How a column of this type holds bytes: "bytes", "struct" or "" where it holds none."""
    t = pa.types
    if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
        kind = kind.value_type  # pyright: ignore[reportAttributeAccessIssue]
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind):
        return "bytes"
    if t.is_struct(kind) and {"bytes", "path"} <= {f.name for f in kind}:
        return "struct"
    return ""


def find_image_column(
    schema: pa.Schema, wanted: str | None, source: str, first: Sequence[dict[str, Any]], notes: Notes, roots: Roots
) -> ImageColumn:
    """The column of the images: the one `wanted`, else by its type, its name or the values of the first rows.

    Raises BadInput if `wanted` is not one of the columns, SourceError if there is no column of images.
    """
    columns = ", ".join(f"{f.name[:80]} ({str(f.type)[:60]})" for f in schema) or "none"
    if wanted is not None:
        if wanted not in schema.names:
            raise no_column(source, wanted, schema, "images")
        return _of_type(schema.field(wanted))
    binary = {f.name: form for f in schema if (form := bytes_form(f.type))}
    name = (
        named(binary, BYTE_COLUMNS)
        or next((n for n in binary if _holds_images(n, first)), None)
        or next(iter(binary), None)
    )
    if name is not None:
        return ImageColumn(name, binary[name])
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    name = named(texts, (*PATH_COLUMNS, *LINKS, *_PASTED))
    if name is None:
        name = of_values(first) or next(
            (n for n in texts if any(pasted.is_pasted(r.get(n) or "") for r in first)), None
        )
        if name is not None:
            notes.guess("the column of images", f"'{name}', by its values", _OPTION)
    if name is not None:
        return ImageColumn(name, "path")
    several = next(
        (f for f in schema if f.name.lower() in _LISTS and pa.types.is_nested(f.type) and _is_list_of_images(f.type)),
        None,
    )
    if several is not None:
        notes.guess("rows with several images", "a row for each, joined by the column 'group'")
        return _of_type(several)
    name = next((n for n in (named(schema.names, [i]) for i in IDS) if n and _names_files(n, first, roots)), None)
    if name is not None:
        notes.guess("the column of images", f"'{name}', which names files without their suffix", _OPTION)
        return ImageColumn(name, "path")
    raise SourceError(
        f"{source} has no column of images: expected binary data, or paths in a column named "
        f"{', '.join(PATH_COLUMNS[:4])}; its columns: {columns}; name one with {_OPTION}"
    )


def other_paths(first: Sequence[dict[str, Any]], column: ImageColumn) -> list[str]:
    """Columns beside a column of paths that name files of images too, such as masks; not links."""
    if column.form != "path":
        return []
    counts: Counter[str] = Counter()
    for row in first:
        counts.update(
            n for n, v in row.items() if isinstance(v, str) and len(v) < 4096 and images.is_image(v) and not is_link(v)
        )
    return [n for n in counts if counts[n] * 2 > len(first) and n != column.name]


def no_column(source: str, wanted: str, schema: pa.Schema, role: str) -> BadInput:
    """The error for a column that the user named and that is not there; says which name is nearest."""
    columns = ", ".join(f"{f.name[:80]} ({str(f.type)[:60]})" for f in schema) or "none"
    near = difflib.get_close_matches(plain(wanted), [plain(n) for n in schema.names], 1)
    hint = f"; did you mean '{named(schema.names, near)}'?" if near else ""
    return BadInput(f"{source} has no column '{wanted}' for the {role}{hint}; its columns: {columns}")


def _of_type(field: pa.Field) -> ImageColumn:
    if _is_list_of_images(field.type):
        return ImageColumn(field.name, bytes_form(field.type.value_type) or "path", is_list=True)
    return ImageColumn(field.name, bytes_form(field.type) or "path")


def _is_list_of_images(kind: pa.DataType) -> bool:
    t = pa.types
    if not (t.is_list(kind) or t.is_large_list(kind)):
        return False
    return bool(bytes_form(kind.value_type)) or t.is_string(kind.value_type) or t.is_large_string(kind.value_type)


def _holds_images(name: str, first: Sequence[dict[str, Any]]) -> bool:
    value = next((row[name] for row in first if row.get(name)), None)
    value = value.get("bytes") if isinstance(value, dict) else value
    return isinstance(value, bytes) and images.has_image_magic(value[: images.MAGIC_BYTES])


def _names_files(name: str, first: Sequence[dict[str, Any]], roots: Roots) -> bool:
    values = [str(row[name]) for row in first[:10] if row.get(name) is not None]
    return any(place.uri and place.stamp != "absent" for place in map(roots.place, values))
