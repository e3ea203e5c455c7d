"""What the conformance suite asks of folders that are not the usual proposal."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.cli import main
from invrbench.codec.conformance import FAILED, PASSED, SKIPPED, Verdict
from own_repository import REPOSITORY, change, write_conditions

Judge = Callable[..., dict[str, Verdict]]
NETWORK = """
[fits.s.budgets.quick]
steps = 3
"""


def test_brought_bitstream_is_decoded_as_its_sequence(repository: Path, judge: Judge) -> None:
    main(["new", "mine"])
    write_conditions(repository, "mine")
    assert main(["source", "bikes-tiny"]) == 0
    assert main(["encode", "bikes-tiny/mine/any/block4"]) == 0
    folder = repository / "proposals" / "mine"
    place = folder / "bitstreams" / "bikes-tiny" / "any"
    place.mkdir(parents=True)
    made = repository / "results/bikes-tiny/mine/any/block4/s0/bitstream.bin"
    made.rename(place / "hm.bin")
    (folder / "encode.py").unlink()
    change(folder / "codec.toml", 'encode = ["{python}", "{codec}/encode.py"]', "")
    change(folder / "codec.toml", "[rate_points]\nblock = [16, 8, 4, 2]", "")
    verdicts = judge(folder)
    assert [v for v in verdicts.values() if v.mark == FAILED] == []
    assert verdicts["encode"].reason.startswith("brought, ")
    assert verdicts["encode"].reason.endswith("1 frame of 176x128 yuv420p")
    assert verdicts["encode-twice"].mark == SKIPPED
    assert verdicts["decode-twice"].mark == PASSED


@pytest.mark.parametrize(
    ("table", "mark", "words"),
    [
        ("sequence\trate_point\tbpp\nx\tQ1\t0.1\nx\tQ2\t0.2\n", PASSED, "published, 2 points"),
        ("sequence\tbpp\nx\t0.1\n", FAILED, "lacks rate_point"),
        ("sequence\trate_point\nx\n", FAILED, "a row has 1 cells, the header has 2"),
        ("sequence\trate_point\n", FAILED, "holds no row"),
        ("# from the paper\nsequence\trate_point\nx\tQ1\n", PASSED, "published, 1 point"),
        ("sequence\trate_point\trate_point\nx\tQ1\tQ2\n", FAILED, "two columns of one name"),
    ],
)
def test_published_curve_is_read_and_nothing_is_run(
    table: str, mark: str, words: str, folder: Path, judge: Judge
) -> None:
    text = (folder / "codec.toml").read_text().replace('"proposal"', '"published"')
    (folder / "codec.toml").write_text(text.split("[commands]")[0])
    (folder / "points.tsv").write_text(table)
    verdicts = judge(folder)
    assert set(verdicts) == {"manifest"}
    assert verdicts["manifest"].mark == mark
    assert words in verdicts["manifest"].reason


def test_decoder_that_hangs_on_a_damaged_bitstream_fails(folder: Path, judge: Judge) -> None:
    spin = "try:\n        main()\n    except Exception:\n        while True:\n            pass"
    change(folder / "decode.py", '__main__":\n    main()', f'__main__":\n    {spin}')
    change(folder / "codec.toml", "[claims]", "[resources.decode]\nruntime_min = 0.02\n\n[claims]")
    verdicts = judge(folder, only=("decode", "truncated", "bit-flips"))
    assert verdicts["decode"].mark == PASSED
    for check in ("truncated", "bit-flips"):
        assert verdicts[check].mark == FAILED
        assert "stopped at its time limit of 0.02 min" in verdicts[check].reason


def test_encoder_with_a_clock_in_its_bitstream_fails_unless_it_says_so(
    folder: Path, judge: Judge
) -> None:
    change(folder / "encode.py", "import sys", "import sys\nimport time")
    written = "write_bytes(header + payload + str(time.time_ns()).encode())"
    change(folder / "encode.py", "write_bytes(header + payload)", written)
    change(folder / "decode.py", "zlib.decompress(", "zlib.decompressobj().decompress(")
    verdict = judge(folder, only=("encode-twice",))["encode-twice"]
    assert verdict.mark == FAILED
    assert "two encodes with one seed differ" in verdict.reason
    change(folder / "codec.toml", "[claims]", '[claims]\nencode = "not repeatable"')
    assert judge(folder, only=("encode-twice",))["encode-twice"].mark == SKIPPED


def test_fit_is_trained_at_the_cheapest_budget_there_is(folder: Path, judge: Judge) -> None:
    change(folder / "codec.toml", "block = [", 'fit = ["s"]\nblock = [')
    change(folder / "codec.toml", "[commands]", '[commands]\nfit = ["{python}", "{codec}/fit.py"]')
    with (folder / "codec.toml").open("a") as file:
        file.write(NETWORK)
    (folder / "fit.py").write_text(
        "import json\nfrom pathlib import Path\n"
        'job = json.loads(Path("job.json").read_text())\n'
        'assert job["budget"] == "quick" and job["fit"]["parameters"] == {"steps": 3}, job\n'
        'assert not list(Path(job["checkpoint"]).iterdir())\n'
        'Path("model").mkdir()\nPath("model/weights").write_text("w")\n'
    )
    change(
        folder / "encode.py",
        "    source, block =",
        '    assert Path(job["model"], "weights").read_text() == "w"\n    source, block =',
    )
    verdicts = judge(folder, only=("fit", "encode", "decode"))
    assert (verdicts["fit"].mark, verdicts["fit"].reason) == (PASSED, "budget quick")
    assert verdicts["decode"].mark == PASSED


def test_checks_that_need_a_failed_one_say_so_and_are_not_failures(
    folder: Path, judge: Judge
) -> None:
    change(folder / "encode.py", "    job = json", '    sys.exit("out of order")\n    job = json')
    verdicts = judge(folder)
    assert [name for name, verdict in verdicts.items() if verdict.mark == FAILED] == ["encode"]
    assert "out of order" in verdicts["encode"].reason
    for check in ("decode", "decode-twice", "truncated", "one-frame", "odd-size", "ten-bit"):
        assert verdicts[check].reason == "needs encode, which failed"


def test_layouts_outside_of_what_is_served_are_not_asked_for(folder: Path, judge: Judge) -> None:
    served = '["yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le", "rgb24"]'
    change(folder / "codec.toml", served, '["yuv420p"]\nmax_frames = 1\nmin_size = 130')
    verdicts = judge(folder, only=("encode", "one-frame", "odd-size", "ten-bit"))
    assert verdicts["encode"].reason.endswith("1 frame of 130x130 yuv420p")
    skipped = {name for name, verdict in verdicts.items() if verdict.mark == SKIPPED}
    assert skipped == {"one-frame", "odd-size", "ten-bit"}


def test_check_without_names_takes_every_folder_and_its_exit_status_is_the_worst(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, root in (("zero", "anchors"), ("mute", "proposals"), ("pickle", "tests/codecs")):
        shutil.copytree(REPOSITORY / "tests/codecs" / name, repository / root / name)
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("zero", "mute", "pickle"):
        assert [line for line in lines if line.startswith(f"✓ {name} encode: caught, as it")]
    assert lines[-1].startswith("3 folders: ")
    assert lines[-1].endswith("  0 ✗")
    change(repository / "proposals/mute/codec.toml", 'caught_by = "encode"', 'caught_by = "fit"')
    assert main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "✗ mute fit: this offender was not caught by this check" in lines
