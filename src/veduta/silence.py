"""Nothing is sent home: the telemetry of libraries is off before any of them is imported.

A setting that is there already is left as it is. Known: onnxruntime (from 1.29 on it looks its vendor up and keeps a device
id in the home folder; only the environment stops it before it starts), huggingface_hub and what builds on it.
"""

from __future__ import annotations

import os

SETTINGS = {
    "ORT_DISABLE_TELEMETRY": "1",
    "ORT_TELEMETRY_DISABLED": "1",  # its name in some releases
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def keep() -> None:
    """Set what is not set; processes that are started later inherit it."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
