"""The four anchors on a clip of 64x48x8: what is in their streams and what comes out of them."""

import json
from pathlib import Path

import pytest
from anchor_runs import Clip, decode, encode, picture_types, psnr_db, run_verb, write_clip

MUXERS = {"avc": "h264", "hevc": "hevc", "vvc": "vvc", "av1": "obu"}
QP = {"avc": 22, "hevc": 22, "vvc": 22, "av1": 24}
CONFIGURATIONS = ("ai", "ld", "ra")
FRAME_BYTES = 64 * 48 * 3 // 2

anchors = pytest.mark.parametrize("anchor", MUXERS)
annexb_anchors = pytest.mark.parametrize("anchor", ["avc", "hevc", "vvc"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.yuv")


@pytest.fixture(scope="module")
def streams(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    folder = tmp_path_factory.mktemp("streams")
    return {
        (anchor, configuration): encode(
            f"anchors/{anchor}",
            clip,
            folder / anchor / configuration,
            configuration=configuration,
            qp=QP[anchor],
        )
        for anchor in MUXERS
        for configuration in CONFIGURATIONS
    }


def nal_types(anchor: str, stream: bytes) -> list[int]:
    """NAL unit types in order (table 7-1 of H.264 and H.265, table 5 of H.266)."""
    units = stream.split(b"\0\0\1")[1:]
    if anchor == "avc":
        return [unit[0] & 31 for unit in units]
    if anchor == "hevc":
        return [unit[0] >> 1 & 63 for unit in units]
    return [unit[1] >> 3 for unit in units]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@anchors
def test_every_frame_comes_back_in_the_source_format(
    anchor: str, configuration: str, clip: Clip, streams: dict, tmp_path: Path
) -> None:
    decoded = decode(f"anchors/{anchor}", streams[anchor, configuration], tmp_path)
    assert len(decoded) == 8 * FRAME_BYTES
    assert psnr_db(clip.path.read_bytes(), decoded, "yuv420p") > 33


@anchors
def test_all_intra_holds_only_intra_pictures(anchor: str, streams: dict) -> None:
    assert picture_types(MUXERS[anchor], streams[anchor, "ai"]) == "I" * 8


@pytest.mark.parametrize("configuration", ["ld", "ra"])
@anchors
def test_only_the_first_picture_of_a_short_clip_is_intra(
    anchor: str, configuration: str, streams: dict
) -> None:
    types = picture_types(MUXERS[anchor], streams[anchor, configuration])
    assert len(types) == 8
    assert types.startswith("I")
    assert "I" not in types[1:]


@pytest.mark.parametrize("anchor", ["avc", "hevc"])
def test_low_delay_of_x264_and_x265_has_no_b_pictures(anchor: str, streams: dict) -> None:
    assert picture_types(MUXERS[anchor], streams[anchor, "ld"]) == "I" + "P" * 7


@anchors
def test_low_delay_pictures_decode_without_the_later_ones(
    anchor: str, streams: dict, tmp_path: Path
) -> None:
    stream = streams[anchor, "ld"]
    whole = decode(f"anchors/{anchor}", stream, tmp_path / "whole")
    first = decode(f"anchors/{anchor}", first_pictures(anchor, stream, 3), tmp_path / "first")
    assert first == whole[: 3 * FRAME_BYTES]


def first_pictures(anchor: str, stream: bytes, count: int) -> bytes:
    """The start of a stream, up to and with its ``count``-th coded picture (one slice each)."""
    if anchor == "av1":
        # every temporal unit begins with a temporal delimiter: type 2, has_size, size 0
        return b"\x12\x00".join(stream.split(b"\x12\x00")[: count + 1])
    slices = {"avc": range(1, 6), "hevc": range(32), "vvc": range(12)}[anchor]
    marker = b"\0" if stream.startswith(b"\0\0\0\0\1") else b""
    units = stream.removeprefix(marker).split(b"\0\0\1")
    seen = 0
    for index, kind in enumerate(nal_types(anchor, stream), start=1):
        seen += kind in slices
        if seen == count:
            return marker + b"\0\0\1".join(units[: index + 1])
    raise AssertionError(f"{anchor}: fewer than {count} pictures")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@annexb_anchors
def test_streams_hold_no_encoder_information_and_each_parameter_set_once(
    anchor: str, configuration: str, streams: dict
) -> None:
    needless, parameter_sets = {
        "avc": ({6, 9}, {7, 8}),
        "hevc": ({35, 39, 40}, {32, 33, 34}),
        "vvc": ({20, 23, 24}, {15}),
    }[anchor]
    types = nal_types(anchor, streams[anchor, configuration])
    assert not needless & set(types)
    assert all(types.count(kind) == 1 for kind in parameter_sets)


@annexb_anchors
def test_every_picture_begins_with_the_long_start_code(anchor: str, streams: dict) -> None:
    stream = streams[anchor, "ai"]
    pictures = {"avc": {5}, "hevc": {19, 20}, "vvc": {7, 8, 9}}[anchor]
    before = stream.split(b"\0\0\1")
    types = nal_types(anchor, stream)
    firsts = [0] + [index for index in range(1, len(types)) if types[index - 1] in pictures]
    assert len(firsts) == 8
    assert all(before[index].endswith(b"\0") for index in firsts)


def test_av1_sends_its_sequence_header_once_and_no_metadata(streams: dict) -> None:
    stream = streams["av1", "ai"]
    types = []
    position = 0
    while position < len(stream):
        types.append(stream[position] >> 3)
        size, shift = 0, 0
        while stream[position + 1] & 128:
            size |= (stream[position + 1] & 127) << shift
            shift, position = shift + 7, position + 1
        position += 2 + (size | stream[position + 1] << shift)
    assert types == [2, 1, 6] + [2, 6] * 7


@anchors
def test_coding_twice_gives_the_same_stream(
    anchor: str, clip: Clip, streams: dict, tmp_path: Path
) -> None:
    again = encode(f"anchors/{anchor}", clip, tmp_path, configuration="ra", qp=QP[anchor])
    assert again == streams[anchor, "ra"]


@pytest.mark.parametrize(
    ("anchor", "encoder"),
    [("avc", "x264"), ("hevc", "x265"), ("vvc", "vvenc"), ("av1", "SVT-AV1")],
)
def test_the_encoder_and_its_version_are_noted(
    anchor: str, encoder: str, clip: Clip, tmp_path: Path
) -> None:
    encode(f"anchors/{anchor}", clip, tmp_path, configuration="ai", qp=40)
    version = json.loads((tmp_path / "notes.json").read_text())["tools"][encoder]
    assert version[0].isdigit()


@anchors
def test_a_higher_quantiser_gives_fewer_bytes(
    anchor: str, clip: Clip, streams: dict, tmp_path: Path
) -> None:
    coarse = encode(f"anchors/{anchor}", clip, tmp_path, configuration="ld", qp=QP[anchor] + 15)
    assert len(coarse) < len(streams[anchor, "ld"])


@anchors
def test_ten_bit_video_comes_back_at_ten_bit(anchor: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.yuv", pixel_format="yuv420p10le", frames=2)
    stream = encode(f"anchors/{anchor}", clip, tmp_path / "e", configuration="ld", qp=QP[anchor])
    decoded = decode(f"anchors/{anchor}", stream, tmp_path / "d")
    assert psnr_db(clip.path.read_bytes(), decoded, clip.pixel_format) > 33


@anchors
def test_sizes_that_no_coding_unit_fits_are_cropped_by_the_stream(
    anchor: str, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.yuv", width=70, height=50, frames=2)
    stream = encode(f"anchors/{anchor}", clip, tmp_path / "e", configuration="ld", qp=QP[anchor])
    decoded = decode(f"anchors/{anchor}", stream, tmp_path / "d")
    assert psnr_db(clip.path.read_bytes(), decoded, clip.pixel_format) > 33


@pytest.mark.parametrize("pixel_format", ["yuv444p", "rgb24", "yuv444p10le"])
@pytest.mark.parametrize("anchor", ["avc", "hevc"])
def test_odd_sizes_without_subsampling_come_back(
    anchor: str, pixel_format: str, tmp_path: Path
) -> None:
    clip = write_clip(
        tmp_path / "clip.raw", pixel_format=pixel_format, width=65, height=47, frames=2
    )
    stream = encode(f"anchors/{anchor}", clip, tmp_path / "e", configuration="ai", qp=22)
    decoded = decode(f"anchors/{anchor}", stream, tmp_path / "d")
    assert psnr_db(clip.path.read_bytes(), decoded, pixel_format) > 33
    # one byte tells rgb24 from yuv444p
    assert stream.startswith(b"\0\0\0\0\1") == (pixel_format == "rgb24")


@anchors
def test_a_still_is_a_clip_of_one_frame(anchor: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.yuv", frames=1)
    stream = encode(f"anchors/{anchor}", clip, tmp_path / "e", configuration="ai", qp=QP[anchor])
    assert len(decode(f"anchors/{anchor}", stream, tmp_path / "d")) == FRAME_BYTES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"configuration": "lowdelay"}, "configuration 'lowdelay' is not coded; expected ai"),
        ({"frames": 9}, "clip.yuv ends in frame 8 of 9."),
        ({"pixel_format": "rgb24"}, "rgb24 is not coded; expected one of yuv420p10le, yuv420p."),
    ],
)
def test_a_job_that_cannot_be_coded_ends_in_one_sentence(
    change: dict, said: str, clip: Clip, tmp_path: Path
) -> None:
    source = {**clip.source, **{key: change[key] for key in change.keys() & clip.source.keys()}}
    job = {
        "source": source,
        "configuration": change.get("configuration", "ld"),
        "rate_point": {"id": "x", "parameters": {"qp": 40}},
    }
    done = run_verb("anchors/vvc", "encode", job, tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bitstream.bin").exists()


@anchors
def test_a_stream_of_something_else_is_refused_in_one_sentence(anchor: str, tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 8)
    job = {"bitstream": str(tmp_path / "noise.bin"), "output": str(tmp_path / "out.raw")}
    done = run_verb(f"anchors/{anchor}", "decode", job, tmp_path / "d")
    assert done.returncode == 1
    assert "the file is damaged or no stream of this codec." in done.stderr
    assert "Traceback" not in done.stderr


def test_without_ffmpeg_a_verb_says_which_variable_names_it(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"")
    job = {"bitstream": str(tmp_path / "x.bin"), "output": str(tmp_path / "out.raw")}
    done = run_verb("anchors/avc", "decode", job, tmp_path / "d", tools=False)
    assert done.returncode == 1
    assert "FFMPEG is not set" in done.stderr
