"""Second decodes are put into the class they belong to, and claims are held against them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invrbench.codec.manifest import Manifest, Resources
from invrbench.codec.settings import TABLE, read_setting
from invrbench.errors import InputError, ToolError
from invrbench.metrics.families import measure
from invrbench.results.drift import (
    Drift,
    count_drifts,
    current_drift,
    difference,
    drift_counts_text,
    drift_key,
    drift_text,
    within,
)
from invrbench.results.drift import classify as class_of
from invrbench.results.paths import PointAddress
from invrbench.results.records import write_record
from raw_files import constant_video, video_format

SOURCE = [(100, 100, 100)] * 3
PSNR_OF_1, PSNR_OF_2 = 20 * math.log10(255), 20 * math.log10(255 / 2)
EXACT = Drift("threads-1", "bit-exact", 0.0, is_same_device=True)


def measured(folder: Path, name: str, values: list[tuple[int, int, int]]) -> dict[str, Any]:
    """The family picture of a video of constant planes against one of grey 100."""
    layout = video_format("yuv420p", 64, 64, len(values))
    source = constant_video(folder / "source.raw", layout, SOURCE[: len(values)])
    return measure("picture", source, constant_video(folder / name, layout, values)).to_json()


def manifest(**fields: Any) -> Manifest:
    held: dict[str, Any] = {
        "id": "net",
        "folder": Path("proposals/net"),
        "name": "Net",
        "summary": "",
        "role": "proposal",
        "tracks": ("video",),
        "configurations": ("any",),
        "pixel_formats": ("yuv420p",),
        "commands": {"decode": ("{python}", "{codec}/decode.py")},
    }
    return Manifest(**(held | fields))


class FakePoint:
    """What the counts read of a point."""

    def __init__(self, rate_point: str = "q1", **fields: Any) -> None:
        self.manifest = manifest(**fields)
        self.address = PointAddress("clip@0+3", "net", "any", rate_point, 0)
        self.decode_key = "d1"


# ---- classes


def test_one_brighter_frame_is_within_the_difference_of_that_frame(tmp_path: Path) -> None:
    first = measured(tmp_path, "a.raw", [(101, 101, 101)] * 3)
    second = measured(tmp_path, "b.raw", [(101, 101, 101), (102, 101, 101), (101, 101, 101)])
    assert first["values"]["psnr_y_db"] == pytest.approx(PSNR_OF_1)
    found = difference({"": first}, {"": second})
    assert found.frame_db == pytest.approx(PSNR_OF_1 - PSNR_OF_2)
    assert found.where == "psnr_y_db of frame 1"
    assert found.columns["psnr_y_db"] == pytest.approx((PSNR_OF_2 - PSNR_OF_1) / 3)
    assert found.columns["psnr_u_db"] == 0.0
    assert class_of(found) == "within"


def test_differences_that_cancel_in_the_mean_are_equal_but_their_frames_are_told(
    tmp_path: Path,
) -> None:
    first = measured(tmp_path, "a.raw", [(101, 101, 101), (102, 101, 101)])
    second = measured(tmp_path, "b.raw", [(102, 101, 101), (101, 101, 101)])
    found = difference({"": first}, {"": second})
    # the mean of squared errors is the same as well: no column moves
    assert class_of(found) == "equal"
    assert found.frame_db == pytest.approx(PSNR_OF_1 - PSNR_OF_2)


@pytest.mark.parametrize(
    ("moved", "verdict"), [(0.00004, "equal"), (0.00011, "within"), (-0.00011, "within")]
)
def test_the_fourth_decimal_decides_between_equal_and_within(
    tmp_path: Path, moved: float, verdict: str
) -> None:
    first = measured(tmp_path, "a.raw", [(101, 101, 101)] * 3)
    first["values"]["psnr_rgb_db"] = 30.00001
    second = {**first, "values": {**first["values"], "psnr_rgb_db": 30.00001 + moved}}
    assert class_of(difference({"": first}, {"": second})) == verdict


def test_a_view_that_moves_is_named(tmp_path: Path) -> None:
    still = measured(tmp_path, "a.raw", [(101, 101, 101)] * 3)
    moved = measured(tmp_path, "b.raw", [(101, 101, 101), (101, 101, 101), (101, 103, 101)])
    found = difference({"v00": still, "v01": still}, {"v00": still, "v01": moved})
    assert found.where == "psnr_u_db of frame 2 of view v01"
    assert class_of(found) == "within"


def test_lossless_in_one_decode_only_is_no_number(tmp_path: Path) -> None:
    first = measured(tmp_path, "a.raw", [(100, 101, 101)] * 3)
    second = measured(tmp_path, "b.raw", [(100, 101, 101), (101, 101, 101), (100, 101, 101)])
    found = difference({"": first}, {"": second})
    assert found.frame_db is None
    assert found.columns["psnr_y_db"] == 0.0  # the mean is infinite in both: only frames tell
    assert found.reason == (
        "psnr_y_db of frame 1 is infinite in one decode and 48.13 dB in the other"
    )
    assert class_of(found) == "fails"


def test_two_lossless_decodes_are_equal(tmp_path: Path) -> None:
    same = measured(tmp_path, "a.raw", SOURCE)
    found = difference({"": same}, {"": same})
    assert (class_of(found), found.frame_db) == ("equal", 0.0)


def test_equal_files_are_bit_exact() -> None:
    assert class_of(None) == "bit-exact"


def test_what_differs_by_more_than_is_allowed_fails_and_says_so() -> None:
    drift = Drift("cpu", "within", 0.0213, "psnr_y_db of frame 3")
    assert drift.against(0.05) == drift.against(None) == drift
    assert drift.against(0.01).told == (
        "fails: psnr_y_db of frame 3 differs by 0.0213 dB, more than 0.01"
    )


def test_a_difference_is_never_rounded_down() -> None:
    assert within(0.00001) == "within 0.0001 dB"
    assert within(0.0003) == "within 0.0003 dB"
    assert within(1.00001) == "within 1.0001 dB"


# ---- the column of points.tsv


@pytest.mark.parametrize(
    ("drifts", "cell"),
    [
        ([], ""),
        ([EXACT], "bit-exact (1)"),
        ([EXACT, Drift("cpu", "equal", 0.0002)], "equal to 4 decimals: cpu"),
        (
            [EXACT, Drift("cpu", "within", 0.02), Drift("float32", "within", 0.003)],
            "within 0.0200 dB: cpu, float32",
        ),
        ([Drift("cpu", "within", 3.0), Drift("cuda", "fails", None)], "fails: cuda"),
    ],
)
def test_the_cell_of_a_point_tells_the_worst(drifts: list[Drift], cell: str) -> None:
    assert drift_text(drifts) == cell


# ---- claims


def counted(claim: str, *drifts: Drift) -> Any:
    claims = {"decode": claim} if claim else {}
    return count_drifts([(FakePoint(f"q{i}", claims=claims), d) for i, d in enumerate(drifts)])  # type: ignore[misc]


THREADS = Drift("threads-2", "within", 0.0003, "psnr_y_db of frame 3", is_same_device=True)
PLAIN = Drift("plain-cpu", "equal", 0.0001, "psnr_y_db of frame 3")


@pytest.mark.parametrize(
    ("claim", "drift", "is_broken"),
    [
        ("same-device", THREADS, True),
        ("same-device", replace(THREADS, verdict="fails", largest_db=None, reason="died"), True),
        ("same-device", PLAIN, False),
        ("bit-exact", PLAIN, True),
        ("bit-exact", EXACT, False),
        ("", THREADS, False),
    ],
)
def test_a_claim_is_broken_by_what_it_covers(claim: str, drift: Drift, is_broken: bool) -> None:
    (count,) = counted(claim, drift)
    assert bool(count.broken) == is_broken


def test_a_broken_claim_is_a_sentence_with_codec_setting_and_size() -> None:
    (count,) = counted("same-device", THREADS, replace(THREADS, verdict="bit-exact"))
    assert count.broken == (
        'net claims decode = "same-device", but under threads-2 1 of 2 points are not bit-exact; '
        "at worst: within 0.0003 dB (psnr_y_db of frame 3)."
    )
    assert count.worst == "clip@0+3, q0: psnr_y_db of frame 3"
    assert drift_counts_text([count])[-1] == f"broken claim: {count.broken}"


def test_counts_are_by_setting_and_class() -> None:
    counts = counted("", PLAIN, THREADS, EXACT, replace(EXACT, verdict="within", largest_db=0.1))
    told = {each.setting: (each.points, each.counts["within"]) for each in counts}
    assert list(told) == ["threads-1", "threads-2", "plain-cpu"]
    assert told["threads-1"] == (2, 1)


# ---- records


@pytest.fixture
def record(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    identity = TABLE["threads-1"].identity()
    value = {
        "kind": "drift",
        "status": "ok",
        "key": drift_key("d1", identity),
        "setting": identity,
        "class": "within",
        "largest_db": 0.5,
        "where": "psnr_y_db of frame 0",
        "reason": "",
        "threads": 1,
        "device": "cpu",
        "is_same_device": True,
        "inputs": {"decoded_md5": "m1"},
    }
    return tmp_path / "threads-1.json", value


def test_a_result_holds_for_the_decode_it_was_compared_with(
    record: tuple[Path, dict[str, Any]],
) -> None:
    path, value = record
    write_record(path, value)
    found = current_drift(path, FakePoint(), {"decoded_md5": "m1"})  # type: ignore[arg-type]
    assert found and (found.verdict, found.largest_db) == ("within", 0.5)
    assert current_drift(path, FakePoint(), {"decoded_md5": "m2"}) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"key": "of another decoder"},
        {"status": "skipped"},
        {"setting": {**TABLE["threads-1"].identity(), "variables": {"A": "1"}}},
    ],
)
def test_a_result_of_another_decoder_or_definition_is_none(
    record: tuple[Path, dict[str, Any]], change: dict[str, Any]
) -> None:
    path, value = record
    changed = value | change
    if "setting" in change:
        changed["key"] = drift_key("d1", change["setting"])
    write_record(path, changed)
    assert current_drift(path, FakePoint(), {"decoded_md5": "m1"}) is None  # type: ignore[arg-type]


def test_a_damaged_record_counts_as_none(record: tuple[Path, dict[str, Any]]) -> None:
    path, value = record
    write_record(path, value)
    path.write_text(path.read_text().replace("0.5", "0.0"))
    assert current_drift(path, FakePoint(), {"decoded_md5": "m1"}) is None  # type: ignore[arg-type]


# ---- settings


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no setting is called 'plaincpu'; nearest: plain-cpu"):
        read_setting("plaincpu")


@pytest.mark.parametrize("name", ["threads-0", "threads--1", "threads-2.5", "venv", ""])
def test_what_only_looks_like_a_setting_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no setting is called"):
        read_setting(name)


def test_numbers_of_threads_are_settings() -> None:
    net = manifest(resources={"decode": Resources(threads=3)})
    assert read_setting("threads-7").threads_of(net, 2) == 7
    assert read_setting("threads-N").threads_of(net, 16) == 16
    assert read_setting("threads-N").threads_of(net, 1) == 2
    assert read_setting("float32").threads_of(net, 16) == 3


def test_a_folder_without_python_is_no_virtual_environment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no bin/python; name the folder of a virtual"):
        read_setting(f"venv:{tmp_path}")


def test_a_python_that_does_not_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("no program")
    (tmp_path / "bin" / "python").chmod(0o755)
    with pytest.raises(ToolError, match="does not run as a Python"):
        read_setting(f"venv:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "fields", "recorded", "why"),
    [
        ("threads-1", {}, "cpu", ""),
        ("cpu", {}, "cpu", "the recorded decode ran on cpu"),
        ("cpu", {}, "cuda", ""),
        ("cuda", {}, "cpu", "its decoder does not use a GPU"),
        ("cuda", {"resources": {"decode": Resources(gpu=1)}}, "cpu", "has no CUDA device"),
        ("threads-1", {}, "cuda", "this machine has no CUDA device"),
        ("float32", {"commands": {"decode": ("{codec}/decode",)}}, "cpu", "no Python program"),
        ("float32", {"environment": {"kind": "host", "tools": ["ffmpeg"]}}, "cpu", "calls ffmpeg"),
        ("plain-cpu", {"environment": {"kind": "host", "tools": ["ffmpeg"]}}, "cpu", ""),
        ("plain-cpu", {"environment": {"kind": "host", "tools": ["vtm"]}}, "cpu", "calls vtm, wh"),
        ("plain-cpu", {}, "cpu", ""),
    ],
)
def test_a_setting_that_does_not_apply_says_why(
    monkeypatch: pytest.MonkeyPatch, name: str, fields: dict[str, Any], recorded: str, why: str
) -> None:
    monkeypatch.setattr("invrbench.codec.sandbox.cuda_devices", lambda: ())
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    told = TABLE[name].why_not(manifest(**fields), recorded)
    assert why in told and bool(told) == bool(why)


def test_a_graphics_card_makes_cuda_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invrbench.codec.sandbox.cuda_devices", lambda: (Path("/dev/nvidia0"),))
    net = manifest(resources={"decode": Resources(gpu=1)})
    assert TABLE["cuda"].why_not(net, "cpu") == ""
    assert TABLE["cuda"].why_not(net, "cuda") == "the recorded decode ran on cuda"
    assert TABLE["plain-cpu"].why_not(net, "cuda") == "the recorded decode ran on cuda"
