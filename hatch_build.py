"""A wheel holds the built pages of `veduta view`, or its build says why it does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface):
    """Stops the build of a wheel without pages; VEDUTA_WITHOUT_PAGES=1 builds one on purpose."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        page = Path(self.root) / "src" / "veduta" / "app" / "static" / "index.html"
        if version == "editable" or page.exists() or os.environ.get("VEDUTA_WITHOUT_PAGES") == "1":
            return
        raise SystemExit(
            "the pages of `veduta view` are not built: run `make ui` (node 20 or newer and npm) first, "
            "or set VEDUTA_WITHOUT_PAGES=1 for a wheel without them"
        )
