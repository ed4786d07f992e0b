"""DICOM by pydicom: the first frame, rescaled, through the window that the file states, dark where it means dark."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from veduta.engine.decode import kinds, room
from veduta.engine.decode.raster import Raster, refuse_huge
from veduta.errors import MissingPackage, Undecodable

UNWINDOWED = "DICOM pictures without a window, stretched from their own range"

# Which package unpacks what; the others come with pydicom or Pillow.
_UNPACKERS = {"JPEG-LS": "pip install pyjpegls", "JPEG 2000": "pip install pylibjpeg pylibjpeg-openjpeg"}
_OTHER = "pip install pylibjpeg pylibjpeg-libjpeg"


class Dicom:
    """Files with a picture of one sample (either sense, palette) or three."""

    name = "DICOM"

    def claims(self, head: bytes) -> bool:
        if head[128:132] == b"DICM":
            return True
        # Without a preamble: the first element is of the file's or the identifying group, in a form that names its type.
        return head[:2] in (b"\x02\0", b"\x08\0") and head[4:6] in (b"UL", b"OB", b"UI", b"CS", b"DA", b"LO")

    def decode(self, data: bytes, limit: int) -> Raster:
        try:
            import pydicom
            import pydicom.pixels
        except ImportError:
            raise MissingPackage("pydicom", needed_by="reading DICOM", extra="formats") from None
        file = pydicom.dcmread(io.BytesIO(data), force=True)
        if not any(tag in file for tag in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            kind = getattr(getattr(file, "SOPClassUID", None), "name", "no picture")
            raise Undecodable(f"unsupported: a DICOM file without a picture ({kind})")
        bands = int(file.get("SamplesPerPixel", 1))
        refuse_huge(int(file.Columns), int(file.Rows), bands * int(file.get("BitsAllocated", 8)) // 8 or 1)
        room.take(int(file.Columns), int(file.Rows), 32 if bands == 1 else 12)
        library: Any = pydicom.pixels
        values = _pixels(file, library)
        frames = max(1, int(file.get("NumberOfFrames", 1) or 1))
        meaning = str(file.get("PhotometricInterpretation", "MONOCHROME2")).strip()
        if values.ndim == 3:
            depth = int(file.get("BitsStored", 8))
            return Raster(values, "DICOM", frames=frames, bits=depth)
        if meaning == "PALETTE COLOR":
            values = library.apply_color_lut(values, file)
            return Raster(values[..., :3], "DICOM", frames=frames, bits=8 * values.dtype.itemsize)
        shown, windowed = _windowed(values, file, library)
        return Raster(shown, "DICOM", frames=frames, white_is_zero=meaning == "MONOCHROME1",
                      remarks=() if windowed else (UNWINDOWED,))  # fmt: skip


def _pixels(file: Any, library: Any) -> np.ndarray:
    """The first frame, (h, w) or (h, w, 3); colours as RGB."""
    try:
        return np.asarray(library.pixel_array(file, index=0))
    except (RuntimeError, NotImplementedError) as error:
        said = str(error)
        if "missing" not in said and "plugin" not in said and "Unable to decompress" not in said:
            raise
        syntax = getattr(file.file_meta.get("TransferSyntaxUID"), "name", "an unknown form")
        if "missing" not in said and "12-bit" not in said and "precision" not in said:
            raise Undecodable(f"corrupt DICOM: its {syntax} data cannot be unpacked") from None
        mend = next((how for name, how in _UNPACKERS.items() if name in syntax), _OTHER)
        raise Undecodable(kinds.missing(f"DICOM packed as {syntax}", mend)) from None


def _windowed(values: np.ndarray, file: Any, library: Any) -> tuple[np.ndarray, bool]:
    """Grey in 0 to 255, and whether nothing had to be guessed."""
    real = np.asarray(library.apply_modality_lut(values, file), np.float64)
    if file.get("VOILUTSequence"):
        table = file.VOILUTSequence[0]
        top = float((1 << int(table.LUTDescriptor[2])) - 1)
        return _bytes(np.asarray(library.apply_voi(real.astype(values.dtype), file), np.float64) / top), True
    centre, width = _first(file.get("WindowCenter")), _first(file.get("WindowWidth"))
    if centre is not None and width is not None and width > 0:
        return _bytes(_window(real, centre, width, str(file.get("VOILUTFunction", "LINEAR") or "LINEAR"))), True
    if int(file.get("BitsStored", 16)) == 8 and not int(file.get("PixelRepresentation", 0)):
        return values.astype(np.uint8), True
    padding = file.get("PixelPaddingValue")
    inside = real[values != padding] if padding is not None and (values != padding).any() else real
    low, high = float(inside.min()), float(inside.max())
    return _bytes((real - low) / (high - low or 1.0)), False


def _window(real: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """The three functions of the standard (PS3.3, C.11.2.1), as shares of the output range."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (real - centre) / width, -500, 500)))
    if function == "LINEAR_EXACT":
        return (real - centre) / width + 0.5
    if width <= 1:
        return (real > centre - 0.5).astype(np.float64)
    return (real - (centre - 0.5)) / (width - 1) + 0.5


def _bytes(share: np.ndarray) -> np.ndarray:
    return (np.clip(np.nan_to_num(share), 0, 1) * 255 + 0.5).astype(np.uint8)


def _first(value: Any) -> float | None:
    """The first of several windows."""
    if value is None or (hasattr(value, "__len__") and not len(value)):
        return None
    return float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
