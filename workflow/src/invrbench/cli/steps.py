"""The steps of the DAG, one verb each, as rules and cross-checkers call them."""

import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invrbench.cli.common import find_fit, find_point, plan_of, repository
from invrbench.codec.stopping import follow_the_run
from invrbench.ctc.names import suggest
from invrbench.errors import InputError, InvrError
from invrbench.results import execute, grants
from invrbench.results.hold import share_tree
from invrbench.results.measuring import measuring, open_families
from invrbench.results.plan import Point


def _repeat(verb: str, *words: str, ctc: str) -> str:
    return shlex.join(["invrbench", verb, *words, "--ctc", ctc])


def _carry_out(arguments: Any, record: Path, key: str, step: Callable[[], None]) -> int:
    """Do a step with the GPUs it was granted, once more if their memory ran out."""
    grants.refuse_in_vain(record, key=key, attempt=arguments.attempt)
    with grants.own_devices(arguments.gpus):
        grants.once_more_when_full(step)
    return 0


def source(arguments: Any) -> int:
    """Make a sequence's raw file."""
    from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
    from invrbench.results.sources import prepare_source

    follow_the_run()
    root = repository()
    share_tree(root)
    sequences = load_sequences(root / "ctc" / "sequences")
    ref = SequenceRef.parse(arguments.sequence, sequences)
    prepare_source(root, resolve(ref, sequences, load_paths(root)), str(ref))
    return 0


def fit(arguments: Any) -> int:
    """Train one model."""
    follow_the_run()
    root, task = find_fit(arguments.folder, arguments.ctc)
    share_tree(root)
    task = grants.with_memory(task, arguments.attempt)
    repeat = _repeat("fit", str(task.address.folder), ctc=arguments.ctc)
    record = root / task.address.folder / "fit.json"
    return _carry_out(arguments, record, task.key, lambda: execute.fit(root, task, repeat=repeat))


def encode(arguments: Any) -> int:
    """Write one bitstream."""
    follow_the_run()
    root, point = find_point(arguments.folder, arguments.ctc)
    share_tree(root)
    point = grants.with_memory(point, arguments.attempt)
    repeat = _repeat("encode", str(point.address.folder), ctc=arguments.ctc)
    record, key = root / point.address.folder / "encode.json", point.encode_key
    return _carry_out(arguments, record, key, lambda: execute.encode(root, point, repeat=repeat))


def decode(arguments: Any) -> int:
    """Decode one bitstream in the sandbox."""
    follow_the_run()
    root, point = find_point(arguments.folder, arguments.ctc)
    share_tree(root)
    point = grants.with_memory(point, arguments.attempt)
    repeat = _repeat("decode", str(point.address.folder), ctc=arguments.ctc)
    record, key = root / point.address.folder / "decode.json", point.decode_key
    return _carry_out(arguments, record, key, lambda: execute.decode(root, point, repeat=repeat))


def measure_point(arguments: Any) -> int:
    """Measure one decoded point."""
    follow_the_run()
    root, point = find_point(arguments.folder, arguments.ctc)
    share_tree(root)
    point, folder = grants.with_memory(point, arguments.attempt), str(point.address.folder)
    families = _chosen_families(point, arguments.families) or open_families(root, point)
    problems = []
    with measuring(root, point) as ruler:
        for family in families:
            record = root / folder / "metrics" / f"{family}.json"
            repeat = _repeat("measure-point", folder, family, ctc=arguments.ctc)
            step = functools.partial(ruler.measure, family, repeat=repeat)
            try:
                _carry_out(arguments, record, point.family_keys[family], step)
            except InvrError as problem:  # the other families do not wait for this one
                problems.append(problem)
    if problems:
        raise type(problems[0])("\n".join(map(str, problems)))
    return 0


def _chosen_families(point: Point, names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name not in point.family_keys:
            raise InputError(
                f"{point.address.folder} is not measured by {name!r} under these conditions; "
                f"{suggest(name, point.family_keys)}."
            )
    return tuple(dict.fromkeys(names))


def time(arguments: Any) -> int:
    """Time one point's decode, and an anchor's encode, alone on the machine."""
    from invrbench.results.timing import time_point

    follow_the_run()
    root, point = find_point(arguments.folder, arguments.ctc)
    share_tree(root)
    repeat = _repeat("time", str(point.address.folder), ctc=arguments.ctc)
    with grants.own_devices(arguments.gpus):
        time_point(root, grants.with_memory(point, arguments.attempt), repeat=repeat)
    return 0


def drift_point(arguments: Any) -> int:
    """Decode one point once more under one setting; drift and failures are results."""
    from invrbench.codec.settings import read_setting
    from invrbench.results.redecode import look_for_run

    follow_the_run()
    root, point = find_point(arguments.folder, arguments.ctc)
    share_tree(root)
    with grants.own_devices(arguments.gpus):
        look_for_run(root, point, read_setting(arguments.setting))
    return 0


def report(arguments: Any) -> int:
    """Write tables, plots and workbook of a run."""
    follow_the_run()  # before seconds are spent on imports
    from invrbench.report.run import write_run_report

    write_run_report(plan_of(arguments), partial=arguments.partial)
    return 0
