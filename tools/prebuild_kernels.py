"""Compile every variant of the decoder's kernels, for a wheel that needs no compiler.

    python tools/prebuild_kernels.py
    pip wheel --no-deps --wheel-dir dist .

The libraries go to src/multiturn/models/native/prebuilt, which git ignores; hatch_build.py then
gives the wheel the tag of the platform. They need the C library of this machine or a newer one. For
an older one compile with the package ziglang, which has them all:

    CXX="python -m ziglang c++ -target x86_64-linux-gnu.2.17" \
        python tools/prebuild_kernels.py --platform manylinux_2_17_x86_64
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from multiturn.core.errors import MultiturnError
from multiturn.models.native.build import FLAGS, compiler_flags, decoder_sources
from multiturn.models.native.compilers import Compiler, compile_library, find_compiler
from multiturn.models.native.prebuilt import PREBUILT, PrebuiltLibrary, library_key, write_manifest
from multiturn.models.native.variants import Variant, variants_of


def main(arguments: list[str] | None = None) -> int:
    """Compile, and print a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PREBUILT, help="where the libraries go")
    parser.add_argument("--platform", help="tag of the wheel; by default this machine's")
    parser.add_argument("--architecture", default=platform.machine(), help="x86_64 or aarch64")
    parser.add_argument("--variant", action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    compiler = find_compiler()
    variants = [
        each
        for each in variants_of(options.architecture)
        if not options.variant or each.name in options.variant
    ]
    if compiler is None or not variants:
        what = "no C++ compiler was found" if compiler is None else "no such variant"
        print(f"error: {what}", file=sys.stderr)
        return 2
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    tag = options.platform or _platform_tag(options.architecture)
    try:
        libraries = [_compile(compiler, variant, options.out) for variant in variants]
        write_manifest(libraries, tag, options.out)
    except MultiturnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _compile(compiler: Compiler, variant: Variant, directory: Path) -> PrebuiltLibrary:
    begin = time.monotonic()
    sources = decoder_sources()
    flags = compiler_flags(compiler, sources, variant)
    if not compiler.is_zig:
        flags = (*flags, "-static-libgcc", "-static-libstdc++")
    name = f"{sources.name}-{variant.architecture}-{variant.name}.so"
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "build" / name
        output.parent.mkdir()
        compile_library(compiler, sources.units, (*flags, "-s"), output)
        shutil.copyfile(output, directory / name)
    size = (directory / name).stat().st_size
    print(f"{name}: {size / 1e3:.0f} kB in {time.monotonic() - begin:.0f} s", flush=True)
    key = library_key(sources.digest(), FLAGS, variant)
    return PrebuiltLibrary(variant, name, key, compiler.version.partition("\n")[0])


def _platform_tag(architecture: str) -> str:
    library, version = platform.libc_ver()
    if library == "glibc" and version:
        return f"manylinux_{version.replace('.', '_')}_{architecture}"
    return f"linux_{architecture}"


if __name__ == "__main__":
    raise SystemExit(main())
