"""The wheel's tag: that of a platform if the kernels were compiled for it, else none.

See tools/prebuild_kernels.py, which compiles them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREBUILT = Path("src/multiturn/models/native/prebuilt")


class PrebuiltKernels(BuildHookInterface[Any]):
    """Adds the compiled kernels to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        manifest = Path(self.root) / PREBUILT / "manifest.json"
        if version == "editable" or not manifest.exists():
            return
        platform = json.loads(manifest.read_text("utf-8"))["platform"]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(f"/{PREBUILT}/*")
