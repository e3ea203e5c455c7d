"""Take results that exist: from elsewhere (adopt), or after a harmless change (accept)."""

import logging
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from invrbench.cli.common import plan_of, repository
from invrbench.ctc.names import suggest
from invrbench.dag import Dag, Settings
from invrbench.digest import digest_tree, md5_file
from invrbench.errors import InputError
from invrbench.results.drift import FOLDER as DRIFTS
from invrbench.results.expected import write_expected
from invrbench.results.hold import without_runs
from invrbench.results.measuring import TABLE
from invrbench.results.plan import Plan
from invrbench.results.planning import load_plan
from invrbench.results.points import point_rows
from invrbench.results.records import read_usable_record, write_record
from invrbench.results.redecode import wanted

logger = logging.getLogger(__name__)


def _declared(plan: Plan) -> dict[Path, str]:
    """Every record that a job of the run makes, with the key it should have."""
    drifts = {path: asked.key for path, asked in wanted(plan).items()}
    return {**plan.expected_records, **drifts}


def _touch(plan: Plan, settings: list[str]) -> None:
    """Make Snakemake take what lies there as done, in the order of the DAG."""
    root = plan.root
    declared = [*_declared(plan), *(p.address.folder / TABLE for p in plan.runnable)]
    present = {path for path in declared if (root / path).is_file()}
    target = "all" if (root / plan.report_folder / "run.json").is_file() else "measured"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--touch", "--forceall"]
    command += ["--quiet", "all", "--config", *settings, "--", target]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"snakemake --touch failed:\n{done.stderr.strip()[-2000:]}")
    for path in declared:
        if path not in present:
            (root / path).unlink(missing_ok=True)  # touching also makes files that never were
    Dag(plan, Settings()).date_stale_records()


def _settings(arguments: Any) -> list[str]:
    settings = [f"ctc={arguments.ctc}"]
    for name in ("only", "label", "seeds"):
        value = getattr(arguments, name, None)
        if value:
            settings.append(f"{name}={value}")
    return settings


def _broken_content(plan: Plan) -> dict[Path, str]:
    """Records whose artefacts differ from their digests, with what differs."""
    broken = {}
    for folder in plan.fits:
        trained = plan.root / folder
        record = read_usable_record(trained / "fit.json")
        if record and digest_tree(trained / "model") != record["outputs"]:
            broken[trained / "fit.json"] = "model/ is not what was trained"
    for point in plan.runnable:
        coded = plan.root / point.address.folder
        record, bitstream = read_usable_record(coded / "encode.json"), coded / "bitstream.bin"
        if record and bitstream.is_file() and md5_file(bitstream) != record["bitstream_md5"]:
            broken[coded / "encode.json"] = "bitstream.bin is not what was encoded"
    return broken


def adopt(arguments: Any) -> int:
    """Check keys and digests of a results tree from elsewhere; what passes counts as done."""
    plan = plan_of(arguments)
    broken = _broken_content(plan)
    for path, why in broken.items():
        logger.warning("%s: %s; it will be made anew.", path.relative_to(plan.root), why)
    # the rows of a point's view sets have one status
    counts = Counter(point_rows(plan, point)[0]["status"] for point in plan.points)
    _touch(plan, _settings(arguments))
    for path in broken:
        path.unlink()
    Dag(plan, Settings()).date_stale_records()
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    logger.info("adopted results of %s: %s.", arguments.ctc, told)
    return 0


def accept(arguments: Any) -> int:
    """Renew the keys of records without running anything; the sentence stays in each record."""
    because = arguments.because.strip()
    if len(because.split()) < 3:
        raise InputError("--because needs a sentence: it is printed in the report.")
    plan = load_plan(repository(), arguments.ctc)
    with without_runs(plan.root):
        renewed = _renew(plan, arguments.points, because)
    if not renewed:
        raise InputError(
            f"no stale record lies below {', '.join(arguments.points)}; nothing was changed."
        )
    _touch(plan, [f"ctc={arguments.ctc}"])
    (plan.root / plan.report_folder / "run.json").unlink(missing_ok=True)  # it must say so
    logger.info("renewed %d keys because %s", renewed, because)
    return 0


def _renew(plan: Plan, patterns: list[str], because: str) -> int:
    """Give stale records of some folders the key that is expected of them; how many."""
    renewed = 0
    for path, key in _declared(plan).items():
        is_below = path.parent.name in ("metrics", DRIFTS)
        folder = path.parent.parent if is_below else path.parent
        if not any(_names(folder.as_posix(), pattern) for pattern in patterns):
            continue
        record = read_usable_record(plan.root / path)
        if record is not None and record["key"] != key:
            earlier = record.get("accepted")
            record |= {"key": key, "accepted": f"{earlier}; {because}" if earlier else because}
            write_record(plan.root / path, record)
            renewed += 1
    return renewed


def expect(arguments: Any) -> int:
    """Write each codec's measured points into the table its folder expects them in."""
    plan = load_plan(repository(), arguments.ctc)
    for name in arguments.codecs:
        if name not in plan.manifests:
            raise InputError(
                f"ctc/{arguments.ctc}.yaml runs no {name}; {suggest(name, plan.manifests)}."
            )
        mine = [
            row
            for point in plan.points
            if point.address.codec == name
            for row in point_rows(plan, point)
        ]
        count = write_expected(plan.manifests[name], mine, plan.root)
        logger.info("%s: %d points expected from now on.", name, count)
    return 0


def _names(folder: str, pattern: str) -> bool:
    wanted = pattern.rstrip("/")
    wanted = wanted if wanted.startswith("results/") else f"results/{wanted}"
    return fnmatchcase(folder, wanted) or fnmatchcase(folder, f"{wanted}/*")
