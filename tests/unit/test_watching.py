"""What a fit says of itself while it goes on."""

import json
import time
from pathlib import Path

import pytest
from invrbench.results.fitting import open_checkpoint
from invrbench.results.progress import fit_under_way


def begun(folder: Path, *, seconds: float, said: str, earlier: float = 0.0) -> None:
    """A fit that began so long ago and said its last word now."""
    open_checkpoint(folder, "ab12")
    note = {"key": "ab12", "start": time.time() - seconds, "earlier_seconds": earlier}
    (folder / "checkpoint.key").write_text(json.dumps(note))
    (folder / "fit.log").write_text(said)


def test_a_fit_says_its_share_its_time_left_and_its_psnr(tmp_path: Path) -> None:
    begun(tmp_path / "fit", seconds=30, said="progress 0.1\nprogress 0.75 psnr_y_db=31.2\n")
    told = fit_under_way(tmp_path, "fit")
    assert told is not None
    assert told.share == 0.75
    assert told.left == pytest.approx(10, abs=0.5)
    assert told.said == "psnr_y_db=31.2"


def test_time_left_of_a_fit_begun_again_counts_the_seconds_before_it_was_killed(
    tmp_path: Path,
) -> None:
    begun(tmp_path / "fit", seconds=10, earlier=90, said="progress 0.50 psnr_y_db=31.2\n")
    told = fit_under_way(tmp_path, "fit")
    assert told is not None and told.left == pytest.approx(100, abs=0.5)  # not ten


def test_a_fit_that_has_not_begun_says_nothing(tmp_path: Path) -> None:
    assert fit_under_way(tmp_path, "fit") is None
    begun(tmp_path / "fit", seconds=1, said="")
    (tmp_path / "fit" / "fit.log").unlink()
    assert fit_under_way(tmp_path, "fit") is None
