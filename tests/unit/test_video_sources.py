"""Raw files made from what a user brings: raw, Y4M, coded files and pictures."""

import hashlib
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import VideoFormat
from invrbench.video.prepare import MATCHES, prepare
from invrbench.video.sources import ResolvedSource, SourceFile
from invrbench.video.steps import BoxAverage, Crop, Frames, Step, step_from_json, steps_to_json

FORMAT = VideoFormat("yuv420p", 16, 8, Fraction(25), 6)


def noise(layout: VideoFormat) -> bytes:
    generator = np.random.default_rng(1)
    if layout.sample_bytes == 2:
        return generator.integers(0, 1024, layout.file_bytes // 2).astype("<u2").tobytes()
    return generator.integers(0, 256, layout.file_bytes).astype("u1").tobytes()


def source(path: Path | None, layout: VideoFormat = FORMAT, **fields: Any) -> ResolvedSource:
    """The sequence `clip` at ``path``; ``start`` and ``count`` default to all frames."""
    file = SourceFile({"kind": "local", "file": "clip"}, layout, path, None if path else "not here")
    values: dict[str, Any] = {
        "name": "clip",
        "steps": (),
        "whole": layout,
        "start": 0,
        "count": layout.frames,
        **fields,
    }
    return ResolvedSource(file=file, **values)


def raw(folder: Path, layout: VideoFormat = FORMAT) -> tuple[Path, bytes]:
    data = noise(layout)
    path = folder / "clip.yuv"
    path.write_bytes(data)
    return path, data


def code(path: Path, data: bytes, layout: VideoFormat, *options: str) -> Path:
    """Write frames with ffmpeg into a container of another's making."""
    arguments = ["-f", "rawvideo", "-pix_fmt", layout.pixel_format]
    arguments += ["-s", f"{layout.width}x{layout.height}", "-r", str(layout.fps), "-i", "-"]
    find_ffmpeg().run([*arguments, *options, str(path)], stdin=data)
    return path


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_an_uncut_raw_file_is_used_where_it_lies(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    record = prepare(source(path, md5=md5(data)), tmp_path / "out.yuv")
    assert record["path"] == str(path)
    assert record["verified"] == MATCHES
    assert not (tmp_path / "out.yuv").exists()


def test_a_cut_of_a_raw_file_holds_exactly_its_frames(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    size = FORMAT.frame_bytes
    record = prepare(source(path, name="clip@2+3", start=2, count=3), tmp_path / "o" / "out.yuv")
    expected = data[2 * size : 5 * size]
    assert Path(record["path"]).read_bytes() == expected
    assert record["md5"] == md5(expected)
    assert record["format"]["frames"] == 3
    assert record["verified"].startswith("unverified")


def test_a_cut_is_checked_by_the_md5_of_the_whole_file(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    cut = source(path, start=0, count=2, md5=md5(data))
    assert prepare(cut, tmp_path / "out.yuv")["verified"] == MATCHES


@pytest.mark.parametrize(("start", "count"), [(0, 6), (1, 2)])
def test_a_wrong_md5_shows_both_values_and_leaves_no_file(
    tmp_path: Path, start: int, count: int
) -> None:
    path, data = raw(tmp_path)
    with pytest.raises(SequenceError) as caught:
        wrong = source(path, start=start, count=count, md5="0" * 32, md5_source="a table")
        prepare(wrong, tmp_path / "out.yuv")
    assert md5(data) in str(caught.value)
    assert "0" * 32 + " (a table)" in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["clip.yuv"]


def test_a_wrong_md5_of_the_cut_itself_leaves_no_file(tmp_path: Path) -> None:
    path, _ = raw(tmp_path)
    with pytest.raises(SequenceError, match="0" * 32):
        prepare(source(path, start=1, count=2, cut_md5="0" * 32), tmp_path / "out.yuv")
    assert not (tmp_path / "out.yuv").exists()


def test_a_size_that_is_no_multiple_of_a_frame_is_refused(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    path.write_bytes(data[:-1])
    with pytest.raises(SequenceError, match=r"not a multiple of a frame.*\(5 frames and 191 bytes"):
        prepare(source(path), tmp_path / "out.yuv")


def test_fewer_frames_than_asked_are_refused(tmp_path: Path) -> None:
    path, _ = raw(tmp_path)
    longer = FORMAT.with_frames(9)
    with pytest.raises(SequenceError, match="holds 6 frames, but clip asks for frames 0 to 8"):
        prepare(source(path, longer), tmp_path / "out.yuv")


def test_more_frames_than_the_entry_says_are_refused_without_a_cut(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    shorter = FORMAT.with_frames(4)
    with pytest.raises(SequenceError, match=r"holds 6 frames.*says 4.*clip@0\+4"):
        prepare(source(path, shorter), tmp_path / "out.yuv")
    record = prepare(source(path, shorter, name="clip@0+4"), tmp_path / "out.yuv")
    assert Path(record["path"]).read_bytes() == data[: 4 * FORMAT.frame_bytes]


def test_a_source_that_is_not_here_is_missing_not_wrong(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="not here"):
        prepare(source(None), tmp_path / "out.yuv")


def test_md5s_of_files_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    cache = tmp_path / "cache"
    cut = source(path, start=0, count=2, md5=md5(data))
    prepare(cut, tmp_path / "out.yuv", cache)
    (note,) = cache.iterdir()
    note.write_text(note.read_text().replace(md5(data), "f" * 32))
    with pytest.raises(SequenceError, match="f" * 32):
        prepare(cut, tmp_path / "out.yuv", cache)
    path.write_bytes(data + data)
    path.write_bytes(data)
    prepare(cut, tmp_path / "out.yuv", cache)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_y4m_written_by_ffmpeg_reads_back_sample_by_sample(
    tmp_path: Path, pixel_format: str
) -> None:
    layout = VideoFormat(pixel_format, 16, 8, Fraction(30000, 1001), 3)
    data = noise(layout)
    path = code(tmp_path / "clip.y4m", data, layout, "-strict", "-1")
    record = prepare(source(path, layout), tmp_path / "out.yuv")
    assert Path(record["path"]).read_bytes() == data


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"YUV4MPEG2 W32 H8 F25:1 C420jpeg\n", "header says width 32, the sequence entry says 16"),
        (b"YUV4MPEG2 W16 H8 F30:1 C420jpeg\n", "header says fps 30, the sequence entry says 25"),
        (b"YUV4MPEG2 W16 H8 F25:1 C444\n", "header says pixel_format yuv444p"),
        (b"YUV4MPEG2 W16 H8 F25:1 XCOLORRANGE=FULL\n", "header says range full"),
        (b"YUV4MPEG2 W16 H8 F25:1 C422\n", "holds C422, which is not served"),
        (b"YUV4MPEG2 W16 H8 F25:1 It\n", "is interlaced"),
        (b"YUV4MPEG2 W16 H8 F25:1", "ends inside a header line"),
        (b"RIFF W16\n", "is no Y4M file"),
        (b"YUV4MPEG2 W16 H8 F25:1\nFRAME\nxx", "ends in frame 0: 2 bytes instead of 192"),
        (b"YUV4MPEG2 W16 H8\n", "holds 0 frames"),
    ],
)
def test_a_y4m_that_disagrees_with_its_entry_is_refused(
    tmp_path: Path, header: bytes, expected: str
) -> None:
    path = tmp_path / "clip.y4m"
    path.write_bytes(header)
    with pytest.raises(SequenceError) as caught:
        prepare(source(path), tmp_path / "out.yuv")
    assert expected in str(caught.value)


def test_a_coded_file_is_decoded_in_its_own_pixel_format(tmp_path: Path) -> None:
    layout = VideoFormat("yuv420p10le", 16, 8, Fraction(25), 5)
    data = noise(layout)
    path = code(tmp_path / "clip.mkv", data, layout, "-c:v", "ffv1")
    record = prepare(source(path, layout, start=1, count=3), tmp_path / "out.yuv")
    size = layout.frame_bytes
    assert Path(record["path"]).read_bytes() == data[size : 4 * size]


def test_a_coded_rgb_file_keeps_its_samples(tmp_path: Path) -> None:
    layout = VideoFormat("rgb24", 16, 8, Fraction(25), 2)
    data = noise(layout)
    path = code(tmp_path / "clip.mkv", data, layout, "-c:v", "ffv1", "-pix_fmt", "gbrp")
    assert Path(prepare(source(path, layout), tmp_path / "o.yuv")["path"]).read_bytes() == data


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (VideoFormat("yuv444p", 16, 8, Fraction(25), 6), "ffmpeg reads pixel_format yuv420p"),
        (VideoFormat("yuv420p", 8, 8, Fraction(25), 6), "ffmpeg reads size 16x8"),
        (VideoFormat("yuv420p", 16, 8, Fraction(50), 6), "ffmpeg reads fps 25"),
        (VideoFormat("yuv420p", 16, 8, Fraction(25), 6, "bt709", "full"), "reads range limited"),
        (VideoFormat("yuv420p", 16, 8, Fraction(25), 6, "bt2020"), "ffmpeg reads matrix bt709"),
        (VideoFormat("yuv420p", 16, 8, Fraction(25), 9), "holds 6 frames, but frames up to"),
    ],
)
def test_a_coded_file_that_disagrees_with_its_entry_is_refused(
    tmp_path: Path, said: VideoFormat, expected: str
) -> None:
    options = ["-c:v", "ffv1", "-color_range", "tv", "-colorspace", "bt709"]
    path = code(tmp_path / "clip.mkv", noise(FORMAT), FORMAT, *options)
    with pytest.raises(SequenceError) as caught:
        prepare(source(path, said), tmp_path / "out.yuv")
    assert expected in str(caught.value)


def test_a_file_that_ffmpeg_cannot_read_gets_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(SequenceError, match=r"clip\.mp4 holds no video that ffmpeg can read"):
        prepare(source(path), tmp_path / "out.yuv")


def test_a_clip_decodes_to_the_md5_that_ffmpegs_own_md5_muxer_gives(tmp_path: Path) -> None:
    data = noise(FORMAT)
    path = code(tmp_path / "clip.mp4", data, FORMAT, "-c:v", "libx264", "-qp", "30")
    shown = subprocess.run(
        [str(find_ffmpeg().path), "-v", "error", "-i", str(path), "-f", "md5", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    record = prepare(source(path), tmp_path / "out.yuv")
    assert shown.strip() == f"MD5={record['md5']}"


def test_a_folder_of_pictures_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    layout = VideoFormat("rgb24", 16, 8, Fraction(1), 3)
    folder = tmp_path / "pictures"
    folder.mkdir()
    pictures = np.frombuffer(noise(layout), "u1").reshape(3, 8, 16, 3)
    for name, picture in zip(["c.png", "a.png", "b.png"], pictures, strict=True):
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    (folder / "notes.txt").write_text("not a picture")
    record = prepare(source(folder, layout), tmp_path / "out.rgb")
    assert Path(record["path"]).read_bytes() == pictures[[1, 2, 0]].tobytes()


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.zeros((8, 8, 3), "u1"), "is 8x8, the sequence entry says 16x8"),
        (np.zeros((8, 16, 3), "u2"), "3 channels of uint16"),
        (np.zeros((8, 16, 4), "u1"), "4 channels of uint8"),
        (None, "cannot be read as a picture"),
    ],
)
def test_a_picture_of_another_kind_is_refused(
    tmp_path: Path, picture: np.ndarray[Any, Any] | None, expected: str
) -> None:
    path = tmp_path / "a.png"
    if picture is None:
        path.write_bytes(b"no picture")
    else:
        cv2.imwrite(str(path), picture)
    with pytest.raises(SequenceError, match=expected):
        prepare(source(path, VideoFormat("rgb24", 16, 8, Fraction(1), 1)), tmp_path / "out.rgb")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    layout = VideoFormat("rgb24", 16, 8, Fraction(1), 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SequenceError, match="empty/ holds no picture"):
        prepare(source(tmp_path / "empty", layout), tmp_path / "out.rgb")


def derived(
    path: Path, steps: tuple[Step, ...], made: VideoFormat, before: VideoFormat = FORMAT, **cut: int
) -> ResolvedSource:
    whole = {"start": 0, "count": made.frames, **cut}
    return source(path, before, steps=steps, whole=made, **whole)


def test_box_averages_round_half_up_on_every_plane(tmp_path: Path) -> None:
    """By hand: (0+1+1+0)/4 = 0.5 gives 1; (0+0+1+0)/4 gives 0; (253+254+255+255)/4 gives 254."""
    before = VideoFormat("yuv420p", 4, 4, Fraction(25), 1)
    luma = [0, 1, 0, 0, 1, 0, 1, 0, 253, 254, 8, 8, 255, 255, 8, 8]
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes([*luma, 1, 2, 3, 4, 7, 7, 7, 9]))
    made = VideoFormat("yuv420p", 2, 2, Fraction(25), 1)
    record = prepare(source(path, before, steps=(BoxAverage(2),), whole=made), tmp_path / "out.yuv")
    assert list(Path(record["path"]).read_bytes()) == [1, 0, 254, 8, 3, 8]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p", "rgb24"])
def test_a_crop_keeps_the_samples_that_ffmpegs_crop_keeps(
    tmp_path: Path, pixel_format: str
) -> None:
    layout = VideoFormat(pixel_format, 16, 8, Fraction(25), 3)
    path, data = raw(tmp_path, layout)
    cropped = code(tmp_path / "ref.raw", data, layout, "-vf", "crop=8:4:2:2", "-f", "rawvideo")
    made = VideoFormat(pixel_format, 8, 4, Fraction(25), 3)
    record = prepare(derived(path, (Crop(2, 2, 8, 4),), made, layout), tmp_path / "out.yuv")
    assert Path(record["path"]).read_bytes() == cropped.read_bytes()


def test_a_cut_counts_frames_after_a_window(tmp_path: Path) -> None:
    path, data = raw(tmp_path)
    size = FORMAT.frame_bytes
    window = derived(path, (Frames(2, 3),), FORMAT.with_frames(3), start=1, count=2)
    record = prepare(window, tmp_path / "out.yuv")
    assert Path(record["path"]).read_bytes() == data[3 * size : 5 * size]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Frames(4, 3), r"frames 4\+3 leaves the clip's 6 frames"),
        (Crop(1, 0, 8, 4), "splits a chroma sample"),
        (Crop(0, 0, 8, 3), "is odd"),
        (Crop(10, 0, 8, 4), "leaves the picture's 16x8"),
        (BoxAverage(3), "does not divide 16x8 yuv420p into whole blocks"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(tmp_path: Path, step: Step, expected: str) -> None:
    path, _ = raw(tmp_path)
    with pytest.raises(SequenceError, match=expected):
        prepare(derived(path, (step,), FORMAT), tmp_path / "out.yuv")


def test_steps_read_back_as_they_were_written() -> None:
    steps = (Frames(1, 2), Crop(0, 2, 4, 6), BoxAverage(2))
    assert tuple(step_from_json(step) for step in steps_to_json(steps)) == steps


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = raw(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(source(path, start=0, count=2), tmp_path / "out" / "clip.yuv")
    assert list((tmp_path / "out").iterdir()) == []
