"""What a run leaves behind, and what a second one does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pytest
from clone import DECODE, ENCODE, Bench

VOLATILE = {"fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes"}


def table(bench: Bench, folder: str) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in row.items() if name not in VOLATILE}
        for row in bench.points(folder)
    ]


def test_every_expected_point_is_measured_on_a_sandboxed_decode(shared_bench: Bench) -> None:
    rows = shared_bench.points("little")
    assert [row["status"] for row in rows] == ["ok"] * 8
    assert all(float(row["psnr_y_db"]) > 15 for row in rows)
    if shutil.which("bwrap"):
        assert {row["sandbox"] for row in rows} == {"bubblewrap"}


def test_an_anchor_against_an_equal_codec_is_zero_percent(shared_bench: Bench) -> None:
    text = (shared_bench.root / "reports/little/bd.tsv").read_text().splitlines()
    header = text[0].split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in text[1:]]
    found = [
        row["bd_rate_percent"]
        for row in rows
        if (row["test"], row["metric"], row["method"]) == ("ours", "psnr_y_db", "pchip")
        and row["sequence"].startswith("bikes-tiny")
    ]
    assert found and all(float(value) == 0.0 for value in found)


def test_a_labelled_report_is_never_overwritten_by_another(shared_bench: Bench) -> None:
    conditions = shared_bench.root / "ctc/little.yaml"
    text = conditions.read_text()
    assert shared_bench.run_all("little", "label=m71234").returncode == 0
    folder = shared_bench.root / "reports/little/m71234"
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert (folder / "results.xlsx") in before
    conditions.write_text(text.replace("bd_metrics: [psnr_y_db]", "bd_metrics: [psnr_u_db]"))
    done = shared_bench.run_all("little", "label=m71234")
    conditions.write_text(text)
    assert done.returncode != 0
    assert "label=m71234: reports/little/m71234 holds a finished report" in done.stderr
    assert "Choose another label" in done.stderr
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    shutil.rmtree(folder)


def test_a_second_run_does_nothing(shared_bench: Bench) -> None:
    before = {p: p.stat().st_mtime_ns for p in shared_bench.root.glob("results/**/*.json")}
    done = shared_bench.run_all("little")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
    after = {p: p.stat().st_mtime_ns for p in shared_bench.root.glob("results/**/*.json")}
    assert before == after


def test_other_conditions_with_the_same_points_run_the_report_only(shared_bench: Bench) -> None:
    text = (shared_bench.root / "ctc/little.yaml").read_text()
    twin = shared_bench.root / "ctc/twin.yaml"
    twin.write_text(text.replace("name: little", "name: twin"))
    before = {p: p.stat().st_mtime_ns for p in shared_bench.root.glob("results/**/*.json")}
    done = shared_bench.run_all("twin")
    twin.unlink()
    assert done.returncode == 0, done.stderr
    after = {p: p.stat().st_mtime_ns for p in shared_bench.root.glob("results/**/*.json")}
    assert before == after
    assert [row["status"] for row in shared_bench.points("twin")] == ["ok"] * 8


def test_the_run_ends_with_a_table_of_the_proposal_against_the_anchor(shared_bench: Bench) -> None:
    summary = (shared_bench.root / "reports/little/summary.txt").read_text()
    assert "ours" in summary and "bits3" in summary


def test_touching_the_ssim_module_measures_again_and_nothing_else(shared_bench: Bench) -> None:
    assert shared_bench.planned("little") == {}
    module = shared_bench.root / "workflow/src/invrbench/metrics/ssim.py"
    original = module.read_text()
    try:
        module.write_text(original + "\n# a comment moves no value\n")
        assert shared_bench.planned("little") == {}
        module.write_text(original + "\n_NEW = 1\n")
        planned = shared_bench.planned("little")
        assert planned == {"measure": 8, "report": 1, "all": 1}
    finally:
        module.write_text(original)
        shared_bench.invrbench("adopt", "--ctc", "little")


def test_adding_one_rate_point_runs_that_point_only(shared_bench: Bench) -> None:
    manifest = shared_bench.root / "proposals/ours/codec.toml"
    original = manifest.read_text()
    try:
        manifest.write_text(original.replace("bits = [2, 3, 4, 5]", "bits = [2, 3, 4, 5, 6]"))
        planned = shared_bench.planned("little")
        assert planned == {"encode": 1, "decode": 1, "measure": 1, "report": 1, "all": 1}
        manifest.write_text(original.replace("Keeps the upper", "# Keeps just the upper"))
        assert "encode" not in shared_bench.planned("little")
    finally:
        manifest.write_text(original)


def test_a_copied_tree_with_new_times_plans_nothing_after_adopt(
    shared_bench: Bench, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(
        shared_bench.root, copy, ignore=shutil.ignore_patterns(".snakemake"), symlinks=True
    )
    for index, path in enumerate(sorted(copy.glob("results/**/*"), reverse=True)):
        os.utime(path, (1_700_000_000 + index, 1_700_000_000 + index))
    moved = object.__new__(Bench)
    moved.root = copy
    adopted = moved.invrbench("adopt", "--ctc", "little")
    assert adopted.returncode == 0, adopted.stderr
    assert "8 ok" in adopted.stderr
    assert moved.planned("little") == {}


def test_adopt_does_not_launder_a_changed_bitstream(shared_bench: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shared_bench.root, copy, ignore=shutil.ignore_patterns(".snakemake"))
    moved = object.__new__(Bench)
    moved.root = copy
    victim = copy / "results/bikes-tiny/ours/any/bits3/s0/bitstream.bin"
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + bytes([data[-1] ^ 255]))
    adopted = moved.invrbench("adopt", "--ctc", "little")
    assert "bitstream.bin is not what was encoded" in adopted.stderr
    planned = moved.planned("little")
    assert planned["encode"] == 1 and planned["decode"] == 1


def test_accept_renews_keys_and_the_sentence_reaches_the_report(
    shared_bench: Bench, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shared_bench.root, copy, symlinks=True)
    moved = object.__new__(Bench)
    moved.root = copy
    script = copy / "proposals/ours/encode.py"
    script.write_text(script.read_text().replace("kept =", "unused = 1\nkept ="))
    assert moved.planned("little")["encode"] == 4
    why = "the new variable is never read"
    done = moved.invrbench("accept", "*/ours/*", "--ctc", "little", "--because", why)
    assert done.returncode == 0, done.stderr
    assert "encode" not in moved.planned("little")
    assert moved.run_all("little").returncode == 0
    accepted = {row["codec"]: row["accepted"] for row in moved.points("little")}
    assert why in accepted["ours"] and accepted["base"] == ""


def test_a_failing_codec_is_named_with_its_reason_and_the_rest_is_reported(bench: Bench) -> None:
    bench.add_codec("base", role="anchor", configuration="ai")
    crash = ENCODE + "\nif bits == 4:\n    sys.exit('no room for four bits')\n"
    bench.add_codec("ours", encode=crash)
    bench.add_conditions("little", "base", "ours")
    done = bench.run_all("little")
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "no room for four bits" in output
    assert "invrbench encode results/bikes-tiny/ours/any/bits4/s0 --ctc little" in output
    rows = {(row["codec"], row["rate_point"]): row for row in bench.points("little")}
    failed = rows["ours", "bits4"]
    assert failed["status"] == "failed" and "exited with status 1" in failed["reason"]
    assert failed["psnr_y_db"] == "" and failed["bitstream_bytes"] == ""
    assert sum(row["status"] == "ok" for row in rows.values()) == 7
    assert not (bench.root / "reports/little/run.json").exists()
    assert "incomplete: 7 of 8" in (bench.root / "reports/little/summary.txt").read_text()
    (bench.root / "proposals/ours/encode.py").write_text(ENCODE)
    assert bench.run_all("little").returncode == 0
    assert all(row["status"] == "ok" for row in bench.points("little"))


def test_brought_bitstreams_and_a_published_curve_reach_the_workbook(
    shared_bench: Bench, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shared_bench.root, copy, symlinks=True)
    bench = object.__new__(Bench)
    bench.root = copy
    folder = bench.add_codec("elsewhere", grid="bits = [3, 4]")
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace('encode = ["{python}", "{codec}/encode.py"]\n', "")
    manifest.write_text(text.split("[rate_points]")[0])
    (folder / "encode.py").unlink()
    place = folder / "bitstreams/bikes-tiny/any"
    place.mkdir(parents=True)
    for bits in (2, 3, 4, 5):
        made = copy / f"results/bikes-tiny/ours/any/bits{bits}/s0/bitstream.bin"
        shutil.copy(made, place / f"low{bits}.bin")
    times = {"bitstreams/bikes-tiny/any/low3.bin": {"fit_seconds": 7200, "encode_seconds": 812.4}}
    (folder / "origin.json").write_text(json.dumps({"schema": 1, "points": times}))
    paper = copy / "proposals/paper"
    paper.mkdir()
    (paper / "codec.toml").write_text(
        'schema = 1\nname = "A paper"\nsummary = "Table 3"\nrole = "published"\n'
        'paper = "Someone 2024"\n[supports]\ntracks = ["video"]\n'
        'configurations = ["any"]\npixel_formats = ["yuv420p"]\n'
    )
    (paper / "points.tsv").write_text(
        "sequence\tcut\trate_point\tbpp\tpsnr_rgb_db\tsource\tconvention\n"
        "bikes-tiny\t\ta\t0.5\t30.1\tTable 3\tper-frame RGB\n"
    )
    bench.add_conditions("little", "base", "ours", "elsewhere", "paper")
    done = bench.run_all("little")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = bench.points("little")
    brought = [row for row in rows if row["codec"] == "elsewhere"]
    assert {row["origin"] for row in brought} == {"brought"}
    assert [row["status"] for row in brought] == ["ok"] * 4
    assert [row["stated_encode_seconds"] for row in brought] == ["", "812.400", "", ""]
    assert {row["encode_seconds"] for row in brought} == {""}
    ours = {row["bitstream_md5"]: row["psnr_y_db"] for row in rows if row["codec"] == "ours"}
    assert {row["bitstream_md5"]: row["psnr_y_db"] for row in brought} == ours
    assert [row["status"] for row in rows if row["codec"] == "paper"] == ["published"]
    book = openpyxl.load_workbook(copy / "reports/little/results.xlsx")
    cells = {
        str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value
    }
    assert any("elsewhere" in text for text in cells)
    assert any("A paper" in text or text == "paper" for text in cells)


def test_a_selection_makes_a_draft_and_an_empty_one_names_the_nearest(shared_bench: Bench) -> None:
    done = shared_bench.run_all("little", "only=ours/bikes-tiny/bits2,bits3")
    assert done.returncode == 0, done.stderr
    rows = shared_bench.points("little/draft")
    assert {row["rate_point"] for row in rows if row["codec"] == "ours"} == {"bits2", "bits3"}
    wrong = shared_bench.run_all("little", "only=oura")
    assert wrong.returncode != 0 and "ours" in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_source_that_is_not_here_is_missing_and_the_rest_runs(shared_bench: Bench) -> None:
    shared_bench.add_conditions("away", "base", "ours")
    path = shared_bench.root / "ctc/away.yaml"
    path.write_text(path.read_text().replace("[bikes-tiny]", "[bikes-tiny, Cactus@0+2]"))
    done = shared_bench.run_all("away")
    assert done.returncode == 0, done.stderr
    states = {
        row["sequence"]: (row["status"], row["reason"]) for row in shared_bench.points("away")
    }
    assert states["bikes-tiny"][0] == "ok"
    assert states["Cactus"][0] == "missing"
    assert states["Cactus"][1].startswith("source not on this machine")


FIT = """
import json, pathlib, sys, time
job = json.load(open(sys.argv[1]))
state = pathlib.Path(job["checkpoint"]) / "step"
first = int(state.read_text()) if state.exists() else 0
print("resumed at", first, flush=True)
for step in range(first, 20):
    time.sleep(0.2)
    state.write_text(str(step + 1))
    print(f"progress {(step + 1) / 20}", file=sys.stderr, flush=True)
pathlib.Path("model").mkdir()
pathlib.Path("model/weights").write_text("20")
"""
GRID = """fit = ["f"]
bits = [2, 3, 4, 5]
[fits.f]
[fits.f.budgets.seconds]
steps = 20
"""


def fit_bench(root: Path) -> Bench:
    bench = Bench(root)
    bench.add_codec("base", role="anchor", configuration="ai")
    bench.add_codec("slow", grid=GRID, fit='fit = ["{python}", "{codec}/fit.py"]')
    (bench.root / "proposals/slow/fit.py").write_text(FIT)
    bench.add_conditions("little", "base", "slow")
    return bench


def test_a_run_killed_in_the_middle_of_a_fit_ends_in_the_same_table(tmp_path: Path) -> None:
    calm, killed = fit_bench(tmp_path / "calm"), fit_bench(tmp_path / "killed")
    assert calm.run_all("little").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "8", "all", "--config", "ctc=little"],
        cwd=killed.root,
        env=killed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    step = killed.root / "results/bikes-tiny/slow/any/fits/f.seconds/s0/checkpoint/step"
    deadline = time.monotonic() + 120
    while not (step.is_file() and (step.read_text() or "0") >= "3"):
        assert time.monotonic() < deadline, "the fit never started"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)
    reached = step.read_text()
    time.sleep(1.0)
    assert step.read_text() == reached, "the killed run's fit lives on"
    done = killed.run_all("little")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"resumed at {reached}" in (step.parents[1] / "fit.log").read_text()
    assert table(killed, "little") == table(calm, "little")
    assert not step.exists()


def test_a_second_run_at_once_is_refused_with_a_sentence(tmp_path: Path) -> None:
    bench = fit_bench(tmp_path / "bench")
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "8", "all", "--config", "ctc=little"],
        cwd=bench.root,
        env=bench.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        lock = bench.root / "results/.lock"
        deadline = time.monotonic() + 60
        while not (lock.is_file() and lock.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = bench.run_all("little")
    finally:
        first.kill()
        first.wait()
    assert second.returncode != 0
    assert f"process {first.pid}" in second.stderr and "Traceback" not in second.stderr


def test_two_decodes_that_differ_fail_the_point(bench: Bench) -> None:
    bench.add_codec("base", role="anchor", configuration="ai")
    noisy = DECODE.replace("bits = data[0]", "import os\nbits = data[0]").replace(
        "half = (1 << (8 - bits)) // 2", "half = os.urandom(1)[0] % 4"
    )
    bench.add_codec("ours", decode=noisy, grid="bits = [2]")
    bench.add_conditions("little", "base", "ours")
    assert bench.run_all("little").returncode == 0
    folder = bench.root / "results/bikes-tiny/ours/any/bits2/s0"
    reasons = []
    for _ in range(6):
        done = bench.invrbench("measure-point", str(folder), "picture", "--ctc", "little")
        reasons.append(done.stderr)
    assert any("decoder not repeatable" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("ctc=nowhere", "no such test conditions"),
        ("label=0123", "must start with a letter"),
        ("seeds=none", "expected a whole number"),
        ("bogus=1", "keys are ctc, only, label, seeds"),
    ],
)
def test_a_wrong_setting_is_answered_with_a_sentence(
    shared_bench: Bench, config: str, sentence: str
) -> None:
    done = shared_bench.snakemake("all", "-n", "--config", config)
    assert done.returncode != 0
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_records_hold_no_path_of_the_machine(shared_bench: Bench) -> None:
    for path in shared_bench.root.glob("results/bikes-tiny/**/*.json"):
        assert str(shared_bench.root) not in path.read_text()
        is_record = path.parent.name != "previews"
        assert not is_record or json.loads(path.read_text())["status"] == "ok"
