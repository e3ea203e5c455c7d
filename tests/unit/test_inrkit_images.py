"""Pictures through ffmpeg: mosaics, round trips, and streams that are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inrkit import images
from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError
from inrkit.images import ImageCodec, Mosaic, Pictures, decode_pictures, encode_pictures
from invrbench.video.ffmpeg import find_ffmpeg

SIDES = st.integers(1, 70)


@pytest.fixture(autouse=True)
def ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFMPEG", str(find_ffmpeg().path))


def waves(count: int, height: int, width: int) -> Pictures:
    frames, rows, columns = np.mgrid[0:count, 0:height, 0:width]
    return (128 + 90 * np.sin((columns + 2 * frames) / 9) * np.cos(rows / 7)).astype(np.uint8)


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_tiles_of_any_sizes_share_no_block_and_come_back(sizes: list[tuple[int, int]]) -> None:
    mosaic = Mosaic.of(sizes)
    tiles = [np.full(size, index + 1, np.uint8) for index, size in enumerate(sizes)]
    picture = mosaic.join(tiles)
    assert picture.shape == (mosaic.height, mosaic.width)
    assert mosaic.height % 8 == mosaic.width % 8 == 0
    assert min(picture.shape) >= 64
    for tile, back in zip(tiles, mosaic.split(picture), strict=True):
        assert np.array_equal(tile, back)
    blocks = picture.reshape(mosaic.height // 8, 8, mosaic.width // 8, 8)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0


@pytest.mark.parametrize(
    ("codec", "qp", "predict", "error"),
    [("hevc", 12, False, 1.0), ("hevc", 12, True, 1.0), ("jpeg", 2, False, 2.0)],
)
def test_pictures_come_back_close_and_every_run_gives_the_same_stream(
    codec: ImageCodec, qp: int, predict: bool, error: float
) -> None:
    pictures = waves(3, 72, 104)
    data = encode_pictures(pictures, codec=codec, qp=qp, predict=predict)
    assert data == encode_pictures(pictures, codec=codec, qp=qp, predict=predict)
    assert len(data) < pictures.size / 4
    back = decode_pictures(data, codec=codec, shape=pictures.shape)
    assert back.shape == pictures.shape
    assert np.sqrt(np.square(back.astype(float) - pictures).mean()) < error


def test_a_larger_qp_makes_a_shorter_stream_and_prediction_shortens_it() -> None:
    pictures = waves(3, 64, 64)
    intra = [len(encode_pictures(pictures, codec="hevc", qp=qp)) for qp in (10, 20, 30)]
    assert intra == sorted(intra, reverse=True)
    assert len(encode_pictures(pictures, codec="hevc", qp=20, predict=True)) < intra[1]


@pytest.mark.parametrize("codec", ["hevc", "jpeg"])
def test_damaged_streams_end_in_a_sentence_or_in_other_pictures(codec: ImageCodec) -> None:
    pictures = waves(2, 64, 64)
    data = encode_pictures(pictures, codec=codec, qp=20)
    for damaged in (b"", b"no stream", data[: len(data) // 3], data[100:]):
        with pytest.raises(BitstreamError, match=f"the {codec} pictures"):
            decode_pictures(damaged, codec=codec, shape=pictures.shape)
    generator = np.random.default_rng(0)
    for _ in range(6):
        flipped = bytearray(data)
        flipped[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
        try:
            back = decode_pictures(bytes(flipped), codec=codec, shape=pictures.shape)
        except BitstreamError:
            continue
        assert back.shape == pictures.shape
    with pytest.raises(BitstreamError, match=f"the {codec} pictures"):
        decode_pictures(data, codec=codec, shape=(3, 64, 64))


def test_what_cannot_be_coded_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CodecError, match=r"hevc QP 52 is outside 0 … 51"):
        encode_pictures(waves(1, 64, 64), codec="hevc", qp=52)
    with pytest.raises(CodecError, match=r"60x64 are not coded; pad"):
        encode_pictures(waves(1, 64, 60), codec="hevc", qp=30)
    monkeypatch.delenv("FFMPEG")
    with pytest.raises(CodecError, match="FFMPEG is not set"):
        encode_pictures(waves(1, 64, 64), codec="hevc", qp=30)


def test_an_ffmpeg_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_pictures(waves(1, 64, 64), codec="hevc", qp=30)
    monkeypatch.setattr(images, "_SECONDS", 0.0)
    monkeypatch.setattr(images, "_SECONDS_PER_SAMPLE", 0.0)
    with pytest.raises(BitstreamError, match="ffmpeg was stopped after 0 s"):
        decode_pictures(data, codec="hevc", shape=(1, 64, 64))
