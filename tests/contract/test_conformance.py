"""Every folder of this repository keeps the contract."""

from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.codec.checks import SCENE
from invrbench.codec.conformance import CHECKS, FAILED, PASSED, Verdict
from invrbench.codec.manifest import read_manifest
from invrbench.results.plan import codec_roots

REPOSITORY = Path(__file__).resolve().parents[2]
# A network is trained anew for each layout, and each decode imports torch: `invrbench check` runs
# these too.
LONG = ("claims", "truncated", "one-frame", "odd-size", "ten-bit", "configurations")
LONG_FOR_NETWORKS = {*LONG, *(f"{SCENE}{name}" for name in (*LONG, "bit-flips"))}


def is_offender(folder: Path) -> bool:
    return "caught_by" in (folder / "codec.toml").read_text(encoding="utf-8")


FOLDERS = {
    path.parent.name: path.parent
    for root in codec_roots(REPOSITORY)
    for path in sorted(root.glob("*/codec.toml"))
    if not is_offender(path.parent)
}


@pytest.mark.parametrize("codec", FOLDERS)
def test_codec_passes_the_suite(codec: str, judge: Callable[..., dict[str, Verdict]]) -> None:
    manifest = read_manifest(FOLDERS[codec])[codec]
    only = [name for name in CHECKS if name not in LONG_FOR_NETWORKS or not manifest.fits]
    verdicts = judge(FOLDERS[codec], tuple(only))
    assert [verdict for verdict in verdicts.values() if verdict.mark == FAILED] == []
    must = ("decode", *(("parameters", "byte-shares") if "inrkit" in manifest.packages else ()))
    for track in manifest.tracks if manifest.role != "published" else ():
        for check in must:
            assert verdicts[f"{SCENE * (track == 'multiview')}{check}"].mark == PASSED
