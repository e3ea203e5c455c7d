"""Published curves, and the sequences they were taken on: the numbers are those of the sources."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from invrbench.codec.manifest import read_manifest
from invrbench.ctc.sequences import PathMap, SequenceRef, load_file, load_sequences, resolve
from invrbench.results.points import COLUMNS
from invrbench.video.prepare import MATCHES, prepare

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRIES = REPOSITORY / "ctc" / "sequences"
SEQUENCES = load_sequences(ENTRIES)
KODAK = REPOSITORY.parent / "shared" / "data" / "kodak"
FOLDERS = ("published-kodak", "published-uvg", "published-bunny")
UVG = ("Beauty", "Bosphorus", "HoneyBee", "Jockey", "ReadySteadyGo", "ShakeNDry", "YachtRide")
PORTRAIT = (4, 9, 10, 17, 18, 19)


def rows(folder: str) -> list[dict[str, str]]:
    path = REPOSITORY / "proposals" / folder / "points.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def curves(folder: str, x: str = "bpp") -> dict[tuple[str, str], list[tuple[str, float]]]:
    """(x, PSNR) of every curve, by where it was taken and its name."""
    found = defaultdict(list)
    for row in rows(folder):
        where = row["sequence"] or row["class"]
        found[where, row["curve"]].append((row.get(x, ""), float(row["psnr_rgb_db"])))
    return found


# Typed again from the files and tables that README.md of each folder names.
RATE_AND_PSNR = {
    ("published-kodak", "kodak", "COIN"): (
        "0.0368 22.41, 0.0736 23.21, 0.1604 24.64, 0.3074 26.41, 0.6109 28.41, 1.209 30.64"
    ),
    ("published-kodak", "kodak", "INRIC basic 8 bit"): (
        "0.0996 25.637, 0.1879 27.147, 0.2994 28.414, 0.9463 32.267"
    ),
    ("published-kodak", "kodak", "INRIC meta-learned 7 bit"): (
        "0.0832 25.56, 0.1546 27.019, 0.2489 28.28, 0.7845 32.139"
    ),
    ("published-kodak", "kodak", "C3"): (
        "0.0926 27.06, 0.1532 28.96, 0.2761 31.34, 0.5785 35.02, 0.914 37.84, 1.4093 40.85"
    ),
    ("published-kodak", "kodak", "Cool-Chic 5.0"): (
        "0.0839 27.44, 0.2186 30.86, 0.4819 34.52, 0.7594 37.25, 1.3571 41.17"
    ),
    ("published-kodak", "kodak", "Cool-Chic 4"): "0.0779 26.98, 0.2286 30.72, 0.5085 34.46",
    ("published-kodak", "kodak", "Cool-Chic 1"): "0.0812 25.77, 0.2651 29.41, 0.9239 35.83",
    ("published-uvg", "uvg", "NeRV"): (
        "0.0135 31.28, 0.021 32.53, 0.0325 33.69, 0.0475 34.71, 0.0667 35.57, 0.0759 35.84, "
        "0.1273 36.59, 0.1461 36.87, 0.2497 37.86"
    ),
    ("published-uvg", "uvg", "NeRV per video"): (
        "0.0143 30.94, 0.0284 32.74, 0.0563 34.39, 0.1121 35.97, 0.2286 37.59"
    ),
    ("published-uvg", "uvg", "HNeRV"): (
        "0.0152 32.49, 0.0295 33.68, 0.058 34.94, 0.1153 36.15, 0.2336 37.34"
    ),
    ("published-uvg", "uvg", "FFNeRV"): (
        "0.0182 32.71, 0.0546 35.55, 0.089 36.76, 0.131 37.64, 0.18 38.33, 0.239 38.91"
    ),
    ("published-uvg", "uvg", "HiNeRV"): (
        "0.0149 34.53, 0.0297 36.01, 0.058 37.45, 0.1154 38.6, 0.2262 39.63"
    ),
    ("published-uvg", "uvg", "C3"): "0.0159 32.93, 0.0331 35.03, 0.0846 37.45, 0.254 39.7",
    ("published-uvg", "uvg", "HM 18.0"): (
        "0.0075 32.79, 0.0155 34.6332, 0.0324 36.4091, 0.073 38.0631, 0.1878 39.4299, 0.754 41.515"
    ),
    ("published-uvg", "uvg", "NVP quantised"): "0.901 34.57, 0.901 35.79, 0.901 37.61",
    ("published-uvg", "uvg", "NVP compressed"): "0.21 36.46",
    ("published-uvg", "uvg-1920x960", "HNeRV"): "0.0139 32.77, 0.0339 34.39, 0.0498 35.49",
}
SIZE_AND_PSNR = {
    ("published-bunny", "bunny", "NeRV-S"): "3.2 32.21, 3.2 33.56, 3.2 34.21, 3.2 34.33, 3.2 34.86",
    ("published-bunny", "bunny", "NeRV-M"): "6.3 36.05, 6.3 37.47, 6.3 38.14, 6.3 38.32, 6.3 38.7",
    ("published-bunny", "bunny", "NeRV-L"): (
        "12.5 39.75, 12.5 40.84, 12.5 41.29, 12.5 41.68, 12.5 41.99"
    ),
    ("published-bunny", "bunny", "SIREN"): "3.2 31.39, 6.4 31.37, 12.7 25.06",
    ("published-bunny", "bunny-1280x640", "NeRV"): "0.35 26.99, 0.75 28.46, 1.5 30.87, 3 33.21",
    ("published-bunny", "bunny-1280x640", "E-NeRV"): "0.35 27.84, 0.75 30.95, 1.5 32.09, 3 36.72",
    ("published-bunny", "bunny-1280x640", "HNeRV"): "0.35 30.15, 0.75 32.81, 1.5 35.57, 3 37.43",
    ("published-bunny", "bunny-1280x640", "HNeRV 0.75M"): (
        "0.75 32.81, 0.75 33.89, 0.75 34.51, 0.75 34.73, 0.75 34.88, 0.75 35.03"
    ),
}
HNERV_3M_AT_300_EPOCHS = (33.58, 34.73, 38.96, 32.04, 25.74, 34.57, 29.26)


def pairs(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(psnr)) for x, psnr in (each.split() for each in text.split(", "))]


@pytest.mark.parametrize(("key", "text"), RATE_AND_PSNR.items(), ids=lambda each: str(each)[:60])
def test_a_published_curve_has_the_rates_and_psnr_of_its_source(
    key: tuple[str, str, str], text: str
) -> None:
    folder, where, name = key
    found = curves(folder)[where, name]
    assert [(float(bpp), psnr) for bpp, psnr in found] == pairs(text)
    assert [psnr for _, psnr in found] == sorted(psnr for _, psnr in found)


@pytest.mark.parametrize(("key", "text"), SIZE_AND_PSNR.items(), ids=lambda each: str(each)[:60])
def test_a_published_size_has_the_psnr_of_its_paper_and_no_rate(
    key: tuple[str, str, str], text: str
) -> None:
    folder, where, name = key
    found = curves(folder, "parameters")[where, name]
    assert [(float(count) / 1e6, psnr) for count, psnr in found] == pairs(text)
    assert not {"bpp", "rate_kbps", "bitstream_bytes"} & set(rows(folder)[0])


def test_hnerv_of_3_million_values_has_its_papers_psnr_on_the_cropped_videos() -> None:
    found = curves("published-uvg", "parameters")
    for video, psnr in zip(UVG, HNERV_3M_AT_300_EPOCHS, strict=True):
        assert found[f"{video}-1920x960", "HNeRV 3M"] == [("3000000", psnr)]


def test_the_epochs_of_the_bunny_tables_are_the_papers() -> None:
    found = defaultdict(list)
    for row in rows("published-bunny"):
        if row["curve"].startswith(("NeRV-", "HNeRV 0.75M")):
            found[row["curve"]].append(int(row["rate_point"].removeprefix("epochs")))
    assert found.pop("HNeRV 0.75M") == [300, 600, 1200, 1800, 2400, 3600]
    assert list(found.values()) == [[300, 600, 1200, 1800, 2400]] * 3


def test_every_published_curve_was_typed_twice() -> None:
    typed = set(RATE_AND_PSNR) | set(SIZE_AND_PSNR)
    typed |= {("published-uvg", f"{video}-1920x960", "HNeRV 3M") for video in UVG}
    held = {(folder, *key) for folder in FOLDERS for key in curves(folder)}
    assert held == typed


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_published_point_says_where_it_is_from_and_how_it_was_taken(folder: str) -> None:
    classes = {sequence.sequence_class for sequence in SEQUENCES.values()}
    (manifest,) = read_manifest(REPOSITORY / "proposals" / folder).values()
    assert manifest.role == "published"
    seen = set()
    for row in rows(folder):
        assert set(row) <= set(COLUMNS) | {"source", "convention"}
        assert row["source"] and row["convention"]
        if row["sequence"]:
            assert row["sequence"] in SEQUENCES
        else:
            assert row["class"] in classes
        seen.add((row["sequence"], row.get("class"), row["curve"], row["rate_point"]))
    assert len(seen) == len(rows(folder))


def test_a_number_read_off_a_figure_says_so() -> None:
    read = {row["curve"] for row in rows("published-uvg") if "figure" in row["convention"]}
    assert read == {"NeRV per video", "HNeRV"}


def test_the_kodak_set_has_24_pictures_of_which_six_stand_upright() -> None:
    entries = load_file(ENTRIES / "kodak.yaml")
    assert [entry.id for entry in entries] == [f"kodim{number:02d}" for number in range(1, 25)]
    for number, entry in enumerate(entries, 1):
        size = (512, 768) if number in PORTRAIT else (768, 512)
        layout = entry.format
        assert (layout.width, layout.height, layout.frames) == (*size, 1)
        assert (layout.pixel_format, layout.range, entry.sequence_class) == (
            "rgb24",
            "full",
            "kodak",
        )


@pytest.mark.skipif(not KODAK.is_dir(), reason=f"needs the Kodak pictures in {KODAK}")
@pytest.mark.parametrize("entry", load_file(ENTRIES / "kodak.yaml"), ids=lambda entry: entry.id)
def test_a_kodak_entry_agrees_with_the_picture(entry, tmp_path: Path) -> None:
    resolved = resolve(SequenceRef(entry.id), SEQUENCES, PathMap("test", roots=(KODAK,)))
    assert prepare(resolved, tmp_path / "picture.raw")["verified"] == MATCHES


def test_uvg_has_seven_videos_of_3900_frames_and_their_centre() -> None:
    held = {entry.id: entry for entry in load_file(ENTRIES / "uvg.yaml")}
    assert tuple(held) == UVG + tuple(f"{video}-1920x960" for video in UVG)
    for video in UVG:
        whole, crop = held[video].format, held[f"{video}-1920x960"].format
        assert (whole.width, whole.height, whole.fps) == (1920, 1080, 120)
        assert (crop.width, crop.height, crop.frames) == (1920, 960, whole.frames)
        resolved = resolve(SequenceRef(f"{video}-1920x960"), SEQUENCES, PathMap("test"))
        assert resolved.availability().startswith("source not on this machine")
        assert resolved.steps[0].y == (1080 - 960) // 2
    assert sum(held[video].format.frames for video in UVG) == 3900
