"""`invrbench view` puts source and points side by side."""

import contextlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from invrbench.cli import main
from invrbench.cli.main import EXIT_FAILED
from invrbench.video.ffmpeg import find_ffmpeg
from own_repository import lay_repository, write_conditions

CLIP = "bunny-mini@0+8/my-codec/any"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two points of a clip, one of them measured, and one of a still."""
    folder = tmp_path_factory.mktemp("viewed")
    lay_repository(folder)
    write_conditions(folder, "my-codec")
    with contextlib.chdir(folder):
        main(["new", "my-codec"])
        for sequence, blocks in (("bunny-mini@0+8", (8, 2)), ("bikes-tiny", (4,))):
            assert main(["source", sequence]) == 0
            for block in blocks:
                point = f"{sequence}/my-codec/any/block{block}"
                assert main(["encode", point]) == 0
                assert main(["decode", point]) == 0
        assert main(["measure-point", f"{CLIP}/block2", "picture"]) == 0
    return folder


@pytest.fixture
def coded(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_points_of_a_clip_become_a_video_and_a_picture(coded: Path) -> None:
    points = [f"{CLIP}/block8", f"{CLIP}/block2"]
    assert main(["view", *points, "-o", "clip.mp4"]) == 0
    assert main(["view", *points, "-o", "clip.png"]) == 0
    picture = cv2.imread("clip.png")
    frame = Path("frame.png")
    find_ffmpeg().run(["-i", "clip.mp4", "-frames:v", "1", "-y", str(frame)])
    filmed = cv2.imread(str(frame))
    # three panes of 320x176 with gaps of 4 and two lines of text above
    assert picture.shape == filmed.shape == (176 + 4 + 40 + 4, 3 * 324 + 4, 3)
    assert np.abs(picture.astype(int) - filmed).mean() < 4
    decoded = find_ffmpeg().run(["-i", "clip.mp4", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
    assert len(decoded) == 8 * picture.shape[0] * picture.shape[1]
    source, coarse, fine = (picture[44:220, left : left + 320].astype(int) for left in
                            (4, 328, 652))  # fmt: skip
    assert np.abs(fine - source).mean() < np.abs(coarse - source).mean()
    labels = picture[4:40]
    assert all(labels[:, left : left + 320].max() > 200 for left in (4, 328, 652))


def test_points_of_two_sequences_are_refused(
    coded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [f"{CLIP}/block2", "bikes-tiny/my-codec/any/block4"]
    assert main(["view", *points, "-o", "clip.mp4"]) == EXIT_FAILED
    assert "one sequence; these are of bikes-tiny, bunny-mini@0+8" in capsys.readouterr().err


def test_point_that_is_not_coded_names_the_command_that_does(
    coded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", f"{CLIP}/block4", "-o", "clip.mp4"]) == EXIT_FAILED
    said = capsys.readouterr().err
    assert re.search(r"not coded yet; run `invrbench encode results/bunny-mini@0\+8", said)


def test_file_type_that_is_not_written_is_refused(
    coded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", "bikes-tiny/my-codec/any/block4", "-o", "still.gif"]) == EXIT_FAILED
    assert ".mp4" in capsys.readouterr().err


def test_still_becomes_a_picture(coded: Path) -> None:
    assert main(["view", "bikes-tiny/my-codec/any/block4", "-o", "still.png"]) == 0
    assert cv2.imread("still.png").shape == (128 + 48, 2 * 180 + 4, 3)
