"""Attack readers with coverage-guided fuzzing (atheris), each in a process with limits.

    python tests/fuzz/fuzz.py --seconds 60 nnc y4m     # some targets, a minute each
    python tests/fuzz/fuzz.py --seconds 5              # all of them

What breaks a target is written below ``tests/fuzz/found/<target>/``, where pytest replays it from
then on; the exit status says whether anything did. Needs ``pip install atheris``.
"""

import argparse
import importlib
import importlib.util
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
MEMORY_BYTES = 3 << 30  # of address space, torch's and numpy's libraries included
SECONDS_PER_INPUT = 10
_MOST_BYTES = 1 << 17
_EXECUTIONS = re.compile(r"stat::number_of_executed_units: (\d+)")
_COVERED = re.compile(r"cov: (\d+)")
_ARTIFACTS = ("crash-", "oom-", "timeout-", "leak-", "slow-unit-")


def has_atheris() -> bool:
    """Whether the fuzzer is installed."""
    return importlib.util.find_spec("atheris") is not None


@dataclass(frozen=True)
class Attack:
    """How a target stood: inputs tried, edges seen, and the input that broke it, if one did."""

    target: str
    executions: int
    edges: int
    exit_status: int
    broken_by: Path | None
    log: str

    @property
    def stood(self) -> bool:
        """Whether every input ended in the target's own errors, in time and within its memory."""
        return self.exit_status == 0 and self.broken_by is None

    def __str__(self) -> str:
        how = "stood" if self.stood else f"broke (exit status {self.exit_status})"
        where = f", by {self.broken_by.name}" if self.broken_by else ""
        return (
            f"{self.target}: {how}{where}; {self.executions} inputs, {self.edges} edges of the code"
        )


def attack(target: str, *, seconds: int, found: Path = FOUND) -> Attack:
    """Fuzz one target in a child for so many seconds, and keep what breaks it."""
    with tempfile.TemporaryDirectory(prefix="invrbench-fuzz-") as name:
        space = Path(name)
        command = [sys.executable, str(HERE / "fuzz.py"), "--child", target, str(space)]
        command += ["--seconds", str(seconds)]
        variables = {"TMPDIR": name, "PYTHONWARNINGS": "error::RuntimeWarning"}
        done = _run(command, seconds + 120, {**os.environ, **variables})
        broken_by = None
        for path in sorted((space / "artifacts").glob("*")):
            if path.name.startswith(_ARTIFACTS):
                broken_by = found / target / path.name
                broken_by.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, broken_by)
    lines = (done.stdout + done.stderr).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("INFO: Instrumenting"))
    executions = [int(each) for each in _EXECUTIONS.findall(text)]
    edges = [int(each) for each in _COVERED.findall(text)]
    return Attack(
        target,
        executions[-1] if executions else 0,
        edges[-1] if edges else 0,
        done.returncode,
        broken_by,
        "\n".join(text.splitlines()[-60:]),
    )


def fuzz_here(target: str, space: Path, seconds: int) -> None:
    """Fuzz a target in this process, which ends with it: what the child does."""
    import atheris

    with atheris.instrument_imports(include=["invrbench", "inrkit", "nncodec.nnc_core.hls"]):
        import fuzz_mutations
        import fuzz_targets

        for name in fuzz_targets.target_named(target).modules:
            importlib.import_module(name)
    attacked = fuzz_targets.target_named(target)
    seeds = attacked.seeds()
    for folder in ("corpus", "artifacts", "work"):
        (space / folder).mkdir()
    for number, seed in enumerate([*seeds, *(p.read_bytes() for p in fuzz_targets.found(target))]):
        (space / "corpus" / f"seed{number}").write_bytes(seed)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return fuzz_mutations.mutated(rng, [data, *seeds], attacked.language)[:most]

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    arguments = [
        *("fuzz", f"-max_total_time={seconds}", f"-timeout={SECONDS_PER_INPUT}"),
        *("-print_final_stats=1", "-detect_leaks=0", f"-max_len={_MOST_BYTES}", "-seed=1"),
        *(f"-rss_limit_mb={MEMORY_BYTES >> 20}", f"-artifact_prefix={space}/artifacts/"),
        *("-report_slow_units=1000", "-verbosity=1", str(space / "corpus")),
    ]
    work = space / "work"
    atheris.Setup(arguments, lambda data: attacked(data, work) and None, custom_mutator=mutate)
    atheris.Fuzz()


def _run(
    command: Sequence[str], seconds: int, env: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """The child, or, if it does not end, what it said so far and the exit status of a timeout."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            env=env,
        )
    except subprocess.TimeoutExpired as late:
        told = (late.stderr or b"").decode(errors="replace")
        return subprocess.CompletedProcess(command, 124, "", f"{told}\ndid not end in {seconds} s")


def replay(target: str, inputs: Sequence[bytes], *, seconds: int = 120) -> list[str]:
    """Give inputs to a target in a child with limits; a sentence for each that breaks it.

    A child that a signal ends is a finding like any other, and the inputs behind it go on in
    another one.
    """
    told: list[str] = []
    with tempfile.TemporaryDirectory(prefix="invrbench-fuzz-") as name:
        space = Path(name)
        (space / "inputs").mkdir()
        for number, data in enumerate(inputs):
            (space / "inputs" / f"{number:06}").write_bytes(data)
        begin = 0
        while begin < len(inputs):
            command = [sys.executable, str(HERE / "fuzz.py"), "--replay", target, name, str(begin)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=seconds
            )
            lines = done.stdout.splitlines()
            told += [line.removeprefix("broken ") for line in lines if line.startswith("broken ")]
            if done.returncode == 0:
                break
            reached = [int(line.split()[1]) for line in lines if line.startswith("begin ")]
            last = reached[-1] if reached else begin
            told.append(f"{last}: ended the process with {done.returncode}; {done.stderr[-300:]}")
            begin = last + 1
    return told


def replay_here(target: str, space: Path, begin: int) -> None:
    """Give the inputs of a folder to a target, from one on: what the child of a replay does."""
    import fuzz_targets

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    attacked = fuzz_targets.target_named(target)
    (space / "work").mkdir(exist_ok=True)
    for path in sorted((space / "inputs").iterdir())[begin:]:
        sys.stdout.write(f"begin {int(path.name)}\n")
        sys.stdout.flush()
        signal.alarm(SECONDS_PER_INPUT)
        try:
            attacked(path.read_bytes(), space / "work")
        except Exception as error:  # noqa: BLE001 - a finding, whatever it is
            sys.stdout.write(f"broken {int(path.name)}: {type(error).__name__}: {error!s:.200}\n")
        signal.alarm(0)


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz the targets named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", help="names; all without any")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--child", nargs=2, metavar=("TARGET", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--replay", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.replay:
        replay_here(given.replay[0], Path(given.replay[1]), int(given.replay[2]))
        return 0
    if given.child:
        fuzz_here(given.child[0], Path(given.child[1]), given.seconds)
        return 0
    if not has_atheris():
        sys.stderr.write("atheris is not installed; pip install atheris\n")
        return 2
    from fuzz_targets import TARGETS

    unknown = sorted(set(given.targets) - set(TARGETS))
    if unknown:
        sys.stderr.write(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}\n")
        return 2
    broken = 0
    for target in given.targets or TARGETS:
        done = attack(target, seconds=given.seconds)
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
        if not done.stood:
            sys.stdout.write(f"{done.log}\n")
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
