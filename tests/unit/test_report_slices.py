"""Pictures of views over time: every sample is where it belongs, and text fits."""

import cv2
import numpy as np
import pytest
from invrbench.errors import InputError
from invrbench.report import slices
from invrbench.report.slices import Crop, Row


def numbered(instants=2, height=3, width=4):
    """Frames in which red is the instant, green the row and blue the column."""
    grid = np.mgrid[:instants, :height, :width]
    return np.moveaxis(grid, 0, 3).astype(np.uint8)


def test_a_slice_repeats_each_instant_downwards_and_each_pixel_to_the_right():
    slice_ = slices.xt_slice(numbered()[:, 1], rows=3, columns=2)
    assert slice_.shape == (6, 8, 3)
    for index in range(6):
        assert slice_[index].tolist() == [[index // 3, 1, column // 2] for column in range(8)]


def test_a_still_view_gives_vertical_stripes():
    still = numbered(1).repeat(5, axis=0)
    slice_ = slices.xt_slice(still[:, 2], rows=1, columns=1)
    assert (slice_ == slice_[0]).all()


def test_a_line_is_marked_at_every_second_pixel():
    marked = slices.with_line(numbered()[0], ((0, 1), (3, 1)), factor=2)
    assert marked.shape == (6, 8, 3)
    assert (marked[2:4, 0:2] == slices.MARK).all()
    assert marked[2, 2].tolist() == [0, 1, 1]


def test_a_picture_is_shrunk_by_means_of_its_blocks():
    # rows 0 to 2, columns 0 to 3, in green and blue: the third row is over
    assert slices.shrunk(numbered(1)[0], 2).tolist() == [[[0, 0, 0], [0, 0, 2]]]


def textured_rows(count):
    generator = np.random.default_rng(5)
    return [
        Row(name, tuple(generator.integers(0, 250, (20, 30, 3), np.uint8) for _ in range(count)))
        for name in ("source", "one method")
    ]


def test_a_montage_holds_every_picture_and_its_crop_sample_by_sample():
    rows, crop = textured_rows(2), Crop(column=4, row=6, width=8, height=5)
    picture = slices.montage(rows, ["instant 0", "instant 9"], crop, factor=3)
    zoom = 20 * 3 // 5
    cell = 30 * 3 + slices.GAP + 8 * zoom
    band = slices.LABEL_HEIGHT + 20 * 3
    assert picture.shape == (
        2 * slices.MARGIN + slices.LABEL_HEIGHT + 2 * band,
        2 * slices.MARGIN + 2 * cell + slices.WIDE_GAP,
        3,
    )
    top = slices.MARGIN + 2 * slices.LABEL_HEIGHT + band  # of the second row's second instant
    left = slices.MARGIN + cell + slices.WIDE_GAP
    source = rows[1].pictures[1]
    whole = picture[top : top + 60 : 3, left : left + 90 : 3]
    outline = np.zeros((20, 30), bool)
    outline[5:12, 3:13] = True
    outline[6:11, 4:12] = False
    assert (whole[~outline] == source[~outline]).all()
    assert (whole[outline] == slices.MARK).all()
    left += 90 + slices.GAP
    enlarged = picture[top : top + 60, left : left + 8 * zoom]
    assert (enlarged == source[6:11, 4:12].repeat(12, axis=0).repeat(12, axis=1)).all()


def test_a_large_picture_is_shown_smaller_and_its_crop_with_every_sample():
    rows, crop = textured_rows(1), Crop(column=10, row=4, width=8, height=5)
    picture = slices.montage(rows, ["instant 0"], crop, factor=1, shrink=2)
    top, left = slices.MARGIN + 2 * slices.LABEL_HEIGHT, slices.MARGIN
    source = rows[0].pictures[0].astype(float)
    assert (picture[top, left] == np.rint(source[:2, :2].mean(axis=(0, 1)))).all()
    assert (picture[top + 2, left + 4] == slices.MARK).all()  # the corner of the outline
    left += 15 + slices.GAP
    crops = picture[top : top + 10, left : left + 16]  # at twice its size, half the picture's 20
    assert (crops == rows[0].pictures[0][4:9, 10:18].repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_row_without_pictures_says_why_between_the_others():
    rows = textured_rows(1)
    whole = slices.montage(rows, ["instant 0"], Crop(0, 0, 4, 9), factor=1)
    told = [rows[0], Row("another", reason="its decoded frames are gone"), rows[1]]
    picture = slices.montage(told, ["instant 0"], Crop(0, 0, 4, 9), factor=1)
    assert picture.shape[1] == whole.shape[1]
    first = slices.MARGIN + 2 * slices.LABEL_HEIGHT + 20
    added = picture.shape[0] - whole.shape[0]
    assert (picture[:first] == whole[:first]).all()
    assert (picture[first + added :] == whole[first:]).all()
    notice = picture[first + slices.LABEL_HEIGHT : first + added, slices.MARGIN : -slices.MARGIN]
    assert notice.max() == slices.GROUND and notice.min() < 100


def test_reasons_alone_make_a_picture_too():
    picture = slices.labelled([Row("source", reason="it is not prepared")])
    assert picture.shape[1] == slices.NOTICE_WIDTH + 2 * slices.MARGIN


def test_a_crop_of_another_shape_leaves_paper_beneath_it():
    rows = textured_rows(1)
    picture = slices.montage(rows, ["instant 0"], Crop(0, 0, 4, 9), factor=1)
    below = slices.MARGIN + 2 * slices.LABEL_HEIGHT + 2 * 9
    right = slices.MARGIN + 30 + slices.GAP
    assert (picture[below : below + 2, right:] == slices.PAPER).all()
    assert (picture[below - 2 : below, right : right + 8] != slices.PAPER).any()


def test_labels_are_written_above_their_pictures_and_shrink_to_fit():
    rows = [Row("short", (numbered(1, 10, 200)[0],)), Row("long " * 40, (numbered(1, 10, 200)[0],))]
    picture = slices.labelled(rows)
    band = slices.LABEL_HEIGHT + 10
    for index, least, most in ((0, 20, 80), (1, 180, 199)):
        top = slices.MARGIN + index * band
        ink = (picture[top : top + slices.LABEL_HEIGHT] < 200).any(axis=(0, 2))
        last = int(np.flatnonzero(ink).max()) - slices.MARGIN
        assert least < last <= most


def test_a_label_is_as_wide_as_any_picture():
    for width in (1, 29, 57, 115, 1592):
        row = Row("source", (np.zeros((2, width, 3), np.uint8),))
        assert slices.labelled([row]).shape[1] == width + 2 * slices.MARGIN


def test_a_png_has_the_same_samples_and_the_same_bytes_every_time():
    picture = slices.labelled(textured_rows(2))
    data = slices.png(picture)
    read = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert (read == picture).all()
    assert data == slices.png(slices.labelled(textured_rows(2)))


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        (Crop(25, 0, 8, 5), "crop 8x5 at column 25, row 0 is not inside a picture of 30x20"),
        (Crop(0, -1, 8, 5), "not inside"),
        (Crop(0, 0, 8, 0), "not inside"),
        (Crop(0, 0, 8, 14), "cannot be shown larger beside it; take at most 13 rows"),
    ],
)
def test_a_crop_that_cannot_be_enlarged_is_refused(crop, message):
    with pytest.raises(InputError, match=message):
        slices.montage(textured_rows(1), ["instant 0"], crop)


def test_rows_that_differ_are_refused_by_name():
    rows = textured_rows(2)
    shorter = Row("one method", rows[1].pictures[:1])
    with pytest.raises(InputError, match=r"row 'one method' has pictures of .*; 2 of"):
        slices.labelled([rows[0], shorter])
    with pytest.raises(InputError, match="needs a row with a picture"):
        slices.labelled([])
