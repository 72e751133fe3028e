"""Bundles CodeMirror for the page: `python tools/page_editor/make.py`, with npm.

The bundle is a part of the package, so that nothing is built when it is installed. Run this again
after a change of `entry.js` or of a version in `package.json`, and commit what changes.
`tests/apps/server/test_page_safety.py` holds the bundle to the hash beside it. The versions of all
packages are those of `package-lock.json`, so a second run makes the same file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE.parents[1] / "src" / "multiturn" / "apps" / "server" / "page" / "vendor"


def main() -> None:
    """Write the bundle, its hash and the licences of what is in it."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        for name in ("entry.js", "package.json", "package-lock.json"):
            shutil.copy(HERE / name, place)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=place, check=True)
        bundle = VENDOR / "codemirror.js"
        bundle.parent.mkdir(exist_ok=True)
        options = (
            "--bundle",
            "--minify",
            "--format=esm",
            "--target=es2022",
            "--legal-comments=none",
        )
        command = ["npx", "esbuild", "entry.js", *options, f"--outfile={bundle}"]
        subprocess.run(command, cwd=place, check=True)
        (VENDOR / "LICENSE.txt").write_text(_licences(place), "utf-8")
    hashed = hashlib.sha256(bundle.read_bytes()).hexdigest()
    (VENDOR / "SHA256SUMS").write_text(f"{hashed}  codemirror.js\n", "utf-8")


def _licences(place: Path) -> str:
    """The packages of the bundle, and each licence text once."""
    lock = json.loads((place / "package-lock.json").read_text("utf-8"))
    texts: dict[str, list[str]] = {}
    for path, package in sorted(lock["packages"].items()):
        if path and not package.get("dev") and not package.get("optional"):
            name = f"{path.removeprefix('node_modules/')} {package['version']}"
            text = (place / path / "LICENSE").read_text("utf-8").strip()
            texts.setdefault(text, []).append(name)
    return "\n\n\n".join(f"{', '.join(names)}\n\n{text}" for text, names in texts.items()) + "\n"


if __name__ == "__main__":
    main()
