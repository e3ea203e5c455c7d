"""A small repository made by a test, and test conditions in it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CONDITIONS = """\
schema: 1
name: mini
title: One codec on one clip and one still
budget: seconds
families: [picture]
headline: {{anchor: {codec}, metrics: [psnr_y_db]}}
anchors: [{codec}]
bd_metrics: [psnr_y_db]
tests:
  - {{sequences: ["bunny-mini@0+8", bikes-tiny], configurations: [ld], codecs: [{codec}]}}
"""


def write_conditions(repository: Path, codec: str) -> None:
    """Conditions ``mini`` that run one codec on a clip of 8 frames and on a still."""
    (repository / "ctc" / "mini.yaml").write_text(CONDITIONS.format(codec=codec))


def lay_repository(folder: Path) -> None:
    """Sequences and smoke conditions of this repository, and no codec."""
    (folder / "Snakefile").touch()
    (folder / "ctc").mkdir()
    for name in ("sequences", "smoke.yaml"):
        (folder / "ctc" / name).symlink_to(REPOSITORY / "ctc" / name)
    for name in ("anchors", "proposals"):
        (folder / name).mkdir()


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that a file holds."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
