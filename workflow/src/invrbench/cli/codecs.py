"""Codec folders: write a new one, hold any of them to the contract."""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from invrbench.cli.common import repository
from invrbench.errors import InputError


def new(arguments: Any) -> int:
    """Write the folder of a new proposal: a small codec that already works."""
    from invrbench.codec.template import write_codec_folder
    from invrbench.results.plan import codec_roots

    root = repository()
    written = write_codec_folder(arguments.codec, root / "proposals", codec_roots(root))
    for path in written:
        sys.stdout.write(f"{path.relative_to(root)}\n")
    sys.stdout.write(
        f"\nIt codes already. Next:\n  invrbench check {arguments.codec}\n"
        "  snakemake --cores 8 all\n"
    )
    return 0


def _folders(root: Path, names: list[str]) -> list[tuple[Path, str]]:
    """Codec folders with the variant asked for: all of them, or those named."""
    from invrbench.ctc.names import suggest
    from invrbench.results.plan import codec_roots

    roots = codec_roots(root)
    found = {
        path.parent.name: path.parent for r in roots for path in sorted(r.glob("*/codec.toml"))
    }
    chosen = []
    for name in names or found:
        folder, _, variant = Path(name).name.partition("+")
        if folder not in found:
            raise InputError(f"no folder holds the codec {folder!r}; {suggest(folder, found)}.")
        chosen.append((found[folder], variant))
    return chosen


def check(arguments: Any) -> int:
    """Run the conformance suite of codec folders; exit 1 if any check fails."""
    from invrbench.codec.conformance import FAILED, check_folder
    from invrbench.codec.footage import Archive
    from invrbench.codec.stopping import follow_the_run
    from invrbench.results.execute import device_for

    follow_the_run()
    root = repository()
    folders = _folders(root, arguments.codecs)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="invrbench-clip-") as name:
        archive = Archive(root, Path(name))
        for folder, variant in folders:
            verdicts = check_folder(folder, archive, device_of=device_for, variant=variant)
            for verdict in verdicts:
                counts[verdict.mark] += 1
                reason, _, detail = verdict.reason.partition("\n")
                line = f"{verdict.mark} {verdict.codec} {verdict.check}"
                sys.stdout.write(line + (f": {reason}" if reason else "") + "\n")
                for said in detail.splitlines():
                    sys.stdout.write(f"    {said}\n")
                sys.stdout.flush()
    told = "  ".join(f"{counts[mark]} {mark}" for mark in ("✓", "–", "✗"))
    sys.stdout.write(f"{len(folders)} folder{'s' * (len(folders) != 1)}: {told}\n")
    return 1 if counts[FAILED] else 0
