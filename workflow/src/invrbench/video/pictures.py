"""R'G'B' pictures as Y'CbCr samples, in integers, so that every machine makes the same file."""

from invrbench.video.format import PIXEL_FORMATS, VideoFormat

# luma coefficients of R' and B': Rec. ITU-R BT.601-7, BT.709-6, BT.2020-2
_LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
_SHIFT = 20


def raw_frame(picture: bytes, layout: VideoFormat) -> bytes:
    """An rgb24 picture in the sample layout of a raw file.

    Chroma of 4:2:0 is sited left, as the metrics read it: weights 1, 2, 1 about every even column
    (the edge repeated), the mean of two rows. All is rounded once, half up: matrix, range and
    filter are one sum of products in 2^-20.

    Args:
        picture: R'G'B' at full range, interleaved, of the layout's size.
        layout: of the raw file; rgb24 is passed through.

    Source: Rec. ITU-R BT.709-6, item 3 (matrix) and item 4.6 (limited range).
    """
    import numpy as np

    if layout.is_rgb:
        return picture
    depth, log2_h, log2_v = PIXEL_FORMATS[layout.pixel_format]
    planes = []
    samples = np.frombuffer(picture, np.uint8).astype(np.int64)
    wide = samples.reshape(layout.height, layout.width, 3)
    for index, (row, offset) in enumerate(_matrix(layout.matrix, layout.range, depth)):
        sums, shift = wide @ np.array(row, np.int64), _SHIFT
        if index and (log2_h or log2_v):
            left = np.pad(sums, ((0, 0), (1, 0)), mode="edge")[:, :-1]
            right = np.pad(sums, ((0, 0), (0, 1)), mode="edge")[:, 1:]
            sums = (left + 2 * sums + right)[:, ::2]
            sums = sums[::2] + sums[1::2]
            shift += 3
        clipped = np.clip(((sums + (1 << shift - 1)) >> shift) + offset, 0, (1 << depth) - 1)
        planes.append(clipped.astype("<u2" if depth > 8 else "u1").tobytes())
    return b"".join(planes)


def _matrix(matrix: str, colour_range: str, depth: int) -> list[tuple[list[int], int]]:
    """Rows for Y', Cb, Cr in 2^-20 for 8-bit R'G'B', each with the offset of its plane."""
    red, blue = _LUMA[matrix]
    luma = (red, 1 - red - blue, blue)
    cb = [(unit - weight) / (2 - 2 * blue) for unit, weight in zip((0, 0, 1), luma, strict=True)]
    cr = [(unit - weight) / (2 - 2 * red) for unit, weight in zip((1, 0, 0), luma, strict=True)]
    scale = 1 << depth - 8
    full = ((1 << depth) - 1) / 255
    limited = colour_range == "limited"
    luma_gain, chroma_gain = (219 / 255 * scale, 224 / 255 * scale) if limited else (full, full)
    offsets = (16 * scale if limited else 0, 128 * scale, 128 * scale)
    gains = (luma_gain, chroma_gain, chroma_gain)
    return [
        ([round(weight * gain * (1 << _SHIFT)) for weight in row], offset)
        for row, gain, offset in zip((luma, cb, cr), gains, offsets, strict=True)
    ]
