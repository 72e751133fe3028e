"""The tables of corpora.md, from the folders of builds.

python docs/results/corpora/table.py corpora/local-python corpora/local-multi corpora/local-nl
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from multiturn.data.build.statistics import read_statistics
from multiturn.data.documents.files import read_columns
from multiturn.data.packing.manifest import read_manifest


def kept(folders: list[Path]) -> list[list[str]]:
    rows = [["corpus", "language", "documents", "MB"]]
    for folder in folders:
        tables = {table.title: table for table in read_statistics(folder).tables()}
        for language, (documents, size) in tables["Languages"].rows:
            rows.append([folder.name, language, f"{documents:,}", f"{size / 1e6:.1f}"])
    return rows


def dropped(folders: list[Path]) -> list[list[str]]:
    """Documents and MB by step and reason, a column for each corpus."""
    by_reason: dict[str, dict[str, tuple[int, ...]]] = {}
    for folder in folders:
        tables = {table.title: table for table in read_statistics(folder).tables()}
        for reason, numbers in tables["Dropped, by step and reason"].rows:
            by_reason.setdefault(reason, {})[folder.name] = numbers
    rows = [["dropped", *(folder.name for folder in folders)]]
    for reason, found in sorted(by_reason.items(), key=lambda row: -_most(row[1])):
        cells = [found.get(folder.name) for folder in folders]
        rows.append([reason, *(f"{c[0]:,} ({c[1] / 1e6:.1f} MB)" if c else "" for c in cells)])
    return rows


def _most(found: dict[str, tuple[int, ...]]) -> int:
    return max(numbers[0] for numbers in found.values())


def clusters(folders: list[Path]) -> list[list[str]]:
    rows = [["corpus", "clusters", "exact duplicates", "near duplicates", "largest cluster"]]
    for folder in folders:
        sizes: Counter[int] = Counter()
        how: Counter[str] = Counter()
        for path in sorted((folder / "deduplicated" / "clusters").glob("*.parquet")):
            for cluster, kind in read_columns(path, ["cluster", "how"]):
                sizes[cluster] += 1
                how[kind] += 1
        counts = (len(sizes), how["exact"], how["near"], max(sizes.values()))
        rows.append([folder.name, *(f"{count:,}" for count in counts)])
    return rows


def shards(folders: list[Path]) -> list[list[str]]:
    rows = [["corpus", "shard", "documents", "rows", "tokens", "MB on disk", "SHA-256 of tokens"]]
    for folder in folders:
        for shard in read_manifest(folder).shards:
            size = sum((folder / "packed" / name).stat().st_size for name in shard.files)
            digest = shard.files[f"{shard.name}.tokens.npy"][:16]
            counts = [f"{n:,}" for n in (shard.documents, shard.rows, shard.tokens)]
            rows.append([folder.name, shard.name, *counts, f"{size / 1e6:.1f}", f"`{digest}...`"])
    return rows


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    for table in (kept, dropped, clusters, shards):
        head, *rows = table(folders)
        for cells in (head, ["---"] * len(head), *rows):
            print(f"| {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
