"""Test conditions that name settings make a job of every point and setting."""

import json
import shutil

from clone import DECODE, Bench

UNSTEADY = f"""{DECODE}
if job["threads"] > 1:
    open(job["output"], "r+b").write(bytes([frames[0] ^ 64]))
"""


def test_a_run_looks_for_drift_once_and_reports_it(bench: Bench) -> None:
    bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [3]")
    bench.add_codec("ours", grid="bits = [2]", decode=UNSTEADY)
    bench.add_conditions("little", "base", "ours")
    conditions = bench.root / "ctc/little.yaml"
    conditions.write_text(conditions.read_text() + "drift: [threads-1, threads-2, cuda]\n")

    done = bench.run_all("little")

    assert done.returncode == 0, done.stdout + done.stderr
    cells = {row["codec"]: row["drift"] for row in bench.points("little")}
    assert cells["base"] == "bit-exact (2)"
    assert cells["ours"].endswith(": threads-2")
    (found,) = bench.root.glob("results/bikes-tiny/ours/*/*/s0/drift/threads-2.json")
    assert json.loads(found.read_text())["class"] in ("equal", "within")
    assert not (found.parent / "cuda.json").exists()  # it does not apply: no job
    assert bench.planned("little") == {}

    shutil.rmtree(bench.root / ".snakemake")  # what is done is told by the records alone
    assert bench.planned("little") == {}
