"""A small repository with results, to be packed, and packages that someone tampered with.

Two codecs made by `invrbench new`, one of them as the anchor, on a still with four rate points and
on a clip with two. Made once: what tests check are copies.
"""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invrbench.cli import main
from invrbench.digest import digest_value
from invrbench.results.package import read_package
from own_repository import REPOSITORY, lay_repository

CODEC, ANCHOR = "my-codec", "rival"
STILL, CLIP = "bikes-tiny", "bunny-mini@0+4"
PACKAGE = f"{CODEC}-mini.zip"
CONDITIONS = f"""\
schema: 1
name: mini
title: Two codecs on a still, one of them on a clip
budget: seconds
families: [picture]
headline: {{anchor: {ANCHOR}, metrics: [psnr_y_db, ssim_y]}}
anchors: [{ANCHOR}]
bd_metrics: [psnr_y_db]
tests:
  - {{sequences: [{STILL}], configurations: [ai], codecs: [{ANCHOR}, {CODEC}]}}
  - {{sequences: ["{CLIP}"], configurations: [ld], codecs: [{CODEC}],
     grids: {{{CODEC}: {{block: [8, 4]}}}}}}
"""
BLOCKS = {STILL: (16, 8, 4, 2), CLIP: (8, 4)}
Change = Callable[[dict[str, bytes]], None]


def lay(folder: Path) -> None:
    """Conditions and sequences, without codecs and results: a cross-checker's clone."""
    lay_repository(folder)
    (folder / "ctc" / "mini.yaml").write_text(CONDITIONS)


def make(folder: Path) -> None:
    """A repository in which everything is coded and measured; the current folder stays."""
    lay(folder)
    shutil.copy(REPOSITORY / "LICENSE", folder / "LICENSE")
    with contextlib.chdir(folder):
        for name in (ANCHOR, CODEC):
            main(["new", name])
            manifest = folder / "proposals" / name / "codec.toml"
            text = manifest.read_text().replace('joins = ["mini"]', "")
            if name == ANCHOR:
                text = text.replace('role = "proposal"', 'role = "anchor"')
            manifest.write_text(text)
        for sequence, blocks in BLOCKS.items():
            assert main(["source", sequence]) == 0
            for name in (ANCHOR, CODEC) if sequence == STILL else (CODEC,):
                for block in blocks:
                    code(f"{sequence}/{name}/any/block{block}")


def code(point: str) -> None:
    """Encode, decode and measure a point of the current repository."""
    assert main(["encode", point]) == 0
    assert main(["decode", point]) == 0
    assert main(["measure-point", point, "picture"]) == 0


def bitstream(sequence: str, block: int) -> str:
    """Where a package of the codec holds a bitstream."""
    return f"{CODEC}/bitstreams/{sequence}/any/block{block}.bin"


def tampered(package: Path, target: Path, change: Change) -> Path:
    """A copy of a package whose files, by name, went through ``change``."""
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def edit_value(files: dict[str, bytes], edit: Callable[[dict[str, Any]], None]) -> None:
    """Change package.json."""
    name = next(each for each in files if each.endswith("/package.json"))
    value = json.loads(files[name])
    edit(value)
    files[name] = json.dumps(value).encode()


def edit_record(
    path: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool = False
) -> None:
    """Change a record of results; ``sealed`` gives it the digest of what it then holds."""
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    if sealed:
        record.pop("digest")
        record["digest"] = digest_value(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def share_measurements(root: Path, of: Path, to: Path) -> None:
    """Let a package take what was measured of another one: only what differs is decoded."""
    base = root / "results" / ".crosscheck"
    held = base / read_package(of).md5 / "points"
    shutil.copytree(held, base / read_package(to).md5 / "points")
