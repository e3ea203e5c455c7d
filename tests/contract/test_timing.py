"""Times that tables compare: taken alone, three times, of the very bytes that were measured."""

import csv
import json
from pathlib import Path

import pytest
from contributions import ANCHOR, CODEC, STILL
from invrbench.cli import main
from invrbench.digest import digest_value
from invrbench.results import timing

BLOCKS = (16, 8, 4, 2)
REPORT = Path("reports/mini")


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else keeps it busy."""
    monkeypatch.setattr(timing, "_busy_seconds", lambda: 0.0)


def record(codec: str, block: int) -> Path:
    return Path(f"results/{STILL}/{codec}/any/block{block}/s0/timing.json")


def take_times(codec: str) -> None:
    for block in BLOCKS:
        assert main(["time", str(record(codec, block).parent)]) == 0


def rows(codec: str) -> list[dict[str, str]]:
    assert main(["report"]) == 0
    with (REPORT / "points.tsv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    return [row for row in found if (row["codec"], row["sequence"]) == (codec, STILL)]


def test_a_decode_is_timed_three_times_and_an_anchors_encode_too(bench: Path) -> None:
    take_times(ANCHOR)
    take_times(CODEC)
    held = json.loads(record(ANCHOR, 8).read_text())
    for verb in ("decode", "encode"):
        assert len(held[verb]["seconds"]) == 3
        assert sorted(held[verb]["seconds"])[1] == held[verb]["median_seconds"]
    assert "encode" not in json.loads(record(CODEC, 8).read_text())
    timed = {row["rate_point"]: row for row in rows(ANCHOR)}
    assert float(timed["block8"]["decode_seconds"]) == pytest.approx(
        held["decode"]["median_seconds"], abs=6e-4
    )
    assert float(timed["block8"]["encode_seconds"]) == pytest.approx(
        held["encode"]["median_seconds"], abs=6e-4
    )
    assert {row["timing"] for row in timed.values()} == {"alone"}
    assert {row["timing"] for row in rows(CODEC)} == {"alone (decode)"}


def test_only_decode_times_of_a_codec_timed_alone_become_a_ratio(bench: Path) -> None:
    def ratios() -> dict[str, str]:
        assert main(["report"]) == 0
        with (REPORT / "csv" / "complexity.csv").open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
        (top,) = [line for line in lines if line and line[0] == "Codec"]
        (own,) = [line for line in lines if line and line[0] == CODEC]
        return {name.split(" (")[0]: cell for name, cell in zip(top, own, strict=True)}

    before = ratios()
    assert before["Decode time ratio"] == before["Encode time ratio"] == "shared machine"
    take_times(ANCHOR)
    assert ratios()["Decode time ratio"] == "shared machine"
    take_times(CODEC)
    after = ratios()
    assert float(after["Decode time ratio"].rstrip("×")) > 0
    assert after["Encode time ratio"] == "shared machine"


def test_times_taken_beside_other_work_are_not_compared(
    bench: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    busy = iter(range(0, 10_000, 100))
    monkeypatch.setattr(timing, "_busy_seconds", lambda: float(next(busy)))
    take_times(CODEC)
    assert "other processes kept cores busy" in caplog.text
    told = {row["timing"].rpartition(" kept ")[0] for row in rows(CODEC)}
    assert told == {"shared machine: other processes"}


def test_times_of_another_decoder_are_not_shown(bench: Path) -> None:
    take_times(CODEC)
    held = json.loads(record(CODEC, 8).read_text())
    held["key"] = "0" * 32
    held["digest"] = digest_value({k: v for k, v in held.items() if k != "digest"})
    record(CODEC, 8).write_text(json.dumps(held))
    timed = {row["rate_point"]: row["timing"] for row in rows(CODEC)}
    assert timed.pop("block8") == "shared machine"
    assert set(timed.values()) == {"alone (decode)"}


def test_times_edited_by_hand_fail_their_point(bench: Path) -> None:
    take_times(CODEC)
    text = record(CODEC, 8).read_text()
    held = json.loads(text)
    held["decode"]["median_seconds"] = 0.001
    record(CODEC, 8).write_text(json.dumps(held))
    (row,) = [row for row in rows(CODEC) if row["rate_point"] == "block8"]
    assert row["status"] == "failed"
    assert "timing" in row["reason"]
    assert row["decode_seconds"] == ""


def test_a_decoder_that_gives_other_frames_while_timed_has_no_times(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(CODEC, 8).parent
    (folder / "bitstream.bin").write_bytes((record(CODEC, 4).parent / "bitstream.bin").read_bytes())
    assert main(["time", str(folder)]) == 1
    assert "decode is not repeatable" in capsys.readouterr().err
    assert not record(CODEC, 8).exists()


def test_a_point_that_could_not_be_timed_says_why_beside_its_times(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_frames(pictures: object) -> str:
        return "0" * 32

    with monkeypatch.context() as patch:
        patch.setattr(timing, "md5_of", other_frames)
        assert main(["time", str(record(CODEC, 8).parent)]) == 1
    (row,) = [row for row in rows(CODEC) if row["rate_point"] == "block8"]
    assert row["status"] == "ok"
    assert row["timing"].startswith(f"shared machine; {CODEC}: decode is not repeatable")


def test_what_was_not_decoded_yet_is_not_timed(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(CODEC, 8).parent
    (folder / "decode.json").unlink()
    assert main(["time", str(folder)]) == 1
    assert "decode.json is missing; decode this point first" in capsys.readouterr().err
