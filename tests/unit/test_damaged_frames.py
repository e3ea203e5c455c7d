"""Frames that a crash of the machine damaged are decoded again, never measured."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from invrbench.digest import md5_file
from invrbench.results import frames, measuring
from invrbench.results.paths import PointAddress
from invrbench.video.format import RawVideo, VideoFormat

LAYOUT = VideoFormat(
    width=64, height=48, pixel_format="yuv420p", fps=Fraction(25), frames=3,
    matrix="bt709", range="limited",
)  # fmt: skip
ADDRESS = PointAddress("clip", "codec", "any", "q1", 0)
SAMPLES = np.random.default_rng(7).integers(0, 256, LAYOUT.file_bytes, np.uint8).tobytes()


class Decoded:
    """A point of which nothing but its place and formats is asked."""

    address = ADDRESS
    formats = {"": LAYOUT}  # noqa: RUF012


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Decodes that were made again."""
    made: list[Path] = []

    def decode_again(point: object, folder: Path, space: Path, *_: object) -> dict[str, RawVideo]:
        video = RawVideo(space / "work/decoded.raw", LAYOUT)
        video.path.write_bytes(SAMPLES)
        made.append(video.path)
        return {"": video}

    monkeypatch.setattr(measuring, "_decode_again", decode_again)
    yield made


def put(root: Path, *, archive: bool) -> None:
    path = root / "decoded.raw"
    path.write_bytes(SAMPLES)
    frames.put(root, ADDRESS, {"": RawVideo(path, LAYOUT)}, archive=archive)


def measured(root: Path, name: str) -> bytes:
    """The samples that would be measured."""
    space = root / name
    space.mkdir()
    path = root / "md5"
    path.write_bytes(SAMPLES)
    record = {"decoded_md5": md5_file(path)}
    pictures = measuring.pictures_of(root, Decoded, space, root / "log", record, keeps=False)  # type: ignore[arg-type]
    return pictures[""].path.read_bytes()


def damage(path: Path) -> None:
    """Zeros in place of the last block, as after a power cut."""
    data = path.read_bytes()
    path.write_bytes(data[:-1024] + bytes(1024))


def test_frames_as_they_were_put_are_measured_without_a_decode(
    tmp_path: Path, decodes: list[Path]
) -> None:
    put(tmp_path, archive=False)
    assert measured(tmp_path, "space") == SAMPLES and not decodes


@pytest.mark.parametrize("archive", [False, True], ids=["raw", "raw and archive"])
def test_raw_frames_of_the_right_size_and_other_samples_are_decoded_again(
    tmp_path: Path, decodes: list[Path], archive: bool
) -> None:
    put(tmp_path, archive=archive)
    damage(frames.raw_file(tmp_path, ADDRESS, ""))
    assert measured(tmp_path, "space") == SAMPLES and len(decodes) == 1
    assert measured(tmp_path, "later") == SAMPLES and len(decodes) == 1


@pytest.mark.parametrize("keep", [0, 200, None], ids=["empty", "its head", "its last block lost"])
def test_a_damaged_archive_is_decoded_and_archived_again(
    tmp_path: Path, decodes: list[Path], keep: int | None
) -> None:
    put(tmp_path, archive=True)
    frames.drop(tmp_path, ADDRESS, [""])
    archive = frames.archive_file(tmp_path, ADDRESS, "")
    if keep is None:
        damage(archive)
    else:
        archive.write_bytes(archive.read_bytes()[:keep])
    assert measured(tmp_path, "space") == SAMPLES and len(decodes) == 1
    assert not frames.raw_file(tmp_path, ADDRESS, "").exists()
    assert measured(tmp_path, "later") == SAMPLES and len(decodes) == 1
