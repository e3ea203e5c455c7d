"""What a run asks of one machine, or of a cluster, for each of its jobs."""

import gc
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from invrbench.codec.manifest import Resources
from invrbench.codec.stopping import ENTERED_VARIABLE
from invrbench.dag import Dag, Settings, enter
from invrbench.digest import write_json
from invrbench.errors import ContractError, MemoryLimitError
from invrbench.results import execute, frames, grants, handover, paths
from invrbench.results.plan import Plan, Point
from invrbench.results.planning import load_plan
from invrbench.results.records import failure_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def smoke() -> Plan:
    return load_plan(REPOSITORY, "smoke")


def dag(plan: Plan, **given: int) -> Dag:
    held = {name: SimpleNamespace(value=value) for name, value in given.items()}
    return Dag(plan, Settings(ctc="smoke"), held)


def with_resources(plan: Plan, root: Path, stated: Resources) -> tuple[Plan, Point]:
    """The plan at another root, with resources for all verbs of its first point."""
    point = plan.runnable[0]
    verbs = {"fit": stated, "encode": stated, "decode": stated}
    point = replace(point, manifest=replace(point.manifest, resources=verbs))
    return replace(plan, root=root, points=(point, *plan.points[1:])), point


def wildcards(point: Point, **more: str) -> SimpleNamespace:
    address = point.address
    return SimpleNamespace(
        sequence=address.sequence,
        codec=address.codec,
        configuration=address.configuration,
        rate_point=address.rate_point,
        seed=str(address.seed),
        **more,
    )


@pytest.fixture
def greedy(smoke: Plan, tmp_path: Path) -> tuple[Plan, Point]:
    stated = Resources(threads=16, gpu=2, mem_mb=3000, runtime_min=90.5)
    return with_resources(smoke, tmp_path, stated)


def test_one_machine_gives_jobs_the_cores_and_gpus_it_has(
    greedy: tuple[Plan, Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, point = greedy
    monkeypatch.setattr("invrbench.dag.usable_cores", lambda: 4)
    monkeypatch.setattr("invrbench.dag.visible_devices", lambda: ("0",))
    here = dag(plan)
    assert (here.slots, here.gpus) == (4, 1)
    assert here.resource("decode", "slots", wildcards(point)) == 4
    assert here.resource("decode", "gpu", wildcards(point)) == 1
    assert here.threads("decode", wildcards(point)) == 16  # reach the codec unchanged


def test_a_profile_says_what_a_cluster_has(greedy: tuple[Plan, Point]) -> None:
    plan, point = greedy
    elsewhere = dag(plan, slots=1, gpu=64)
    assert (elsewhere.slots, elsewhere.gpus) == (1, 64)
    assert elsewhere.resource("fit" if point.fit else "encode", "gpu", wildcards(point)) == 2
    assert dag(plan, gpu=0).resource("decode", "gpu", wildcards(point)) == 0


def test_memory_grows_with_the_attempt_and_holds_the_harness_too(
    greedy: tuple[Plan, Point],
) -> None:
    plan, point = greedy
    asked = [dag(plan).resource("decode", "mem_mb", wildcards(point), n) for n in (1, 2, 3)]
    assert asked == [4000, 7000, 10000]
    codec = grants.with_memory(point, 2).manifest.resources_of("decode").mem_mb
    assert codec == 6000


def test_a_node_keeps_a_job_for_longer_than_the_harness_lets_a_codec_run(
    greedy: tuple[Plan, Point],
) -> None:
    plan, point = greedy
    minutes = dag(plan).resource("decode", "runtime", wildcards(point))
    assert isinstance(minutes, int)
    assert minutes > 90.5


def test_measuring_asks_for_a_decoders_resources_only_when_frames_are_gone(
    greedy: tuple[Plan, Point],
) -> None:
    plan, point = greedy
    where = wildcards(point, family="picture")
    cluster, folder = dag(plan, gpu=8), plan.root / point.address.folder

    def asked() -> list[int]:
        return [cluster.measure_resource(n, where) for n in ("gpu", "mem_mb", "runtime")]

    own = 60 * len(point.family_keys)
    assert asked() == [0, 4000, own]  # its decode is still to come, and leaves them
    write_json(folder / "decode.json", {"key": point.decode_key})
    assert asked() == [2, 8000, own + 106]
    for view in point.formats:
        raw = frames.raw_file(plan.root, point.address, view)
        raw.parent.mkdir(parents=True, exist_ok=True)
        raw.touch()
    assert asked() == [0, 4000, own]


def test_a_job_on_a_node_takes_the_plan_of_its_run(
    smoke: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / paths.RUN_PLAN).parent.mkdir(parents=True)
    monkeypatch.setenv(handover.VARIABLE, "")  # put back afterwards
    handover.hand_over(replace(smoke, root=tmp_path))
    monkeypatch.setattr(sys, "argv", ["snakemake", "--mode", "remote"])
    opened = Dag.open(tmp_path, {"ctc": "smoke"}, {})
    assert opened.plan.root == tmp_path  # where there are no conditions to be read
    assert os.environ[handover.VARIABLE] == str(tmp_path / paths.RUN_PLAN)


def test_jobs_find_the_program_where_no_environment_was_activated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["snakemake", "--mode", "remote"])
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv(ENTERED_VARIABLE, "")
    thresholds = gc.get_threshold()
    enter(tmp_path)
    gc.set_threshold(*thresholds)
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    assert shutil.which("invrbench") is not None


def test_a_run_that_only_dates_files_prepares_no_job(
    smoke: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["snakemake", "--touch", "--forceall", "all"])
    Dag(replace(smoke, root=tmp_path), Settings(ctc="smoke")).start(elsewhere=False, jobs=())
    assert list(tmp_path.iterdir()) == []


def broken(folder: Path, error: Exception) -> Path:
    """The record of a step that failed, under the key "key"."""
    failed = folder / "encode.failed.json"
    with (
        pytest.raises(type(error)),
        execute.recorded_failure(failed, folder / "encode.log", key="key", repeat="again"),
    ):
        raise error
    return folder / "encode.json"


def test_a_later_attempt_repeats_what_more_memory_may_mend(tmp_path: Path) -> None:
    record = broken(tmp_path, MemoryLimitError("a: encode was stopped at its memory limit."))
    assert failure_of(record, "key") == "a: encode was stopped at its memory limit."
    grants.refuse_in_vain(record, key="key", attempt=2)


def test_a_later_attempt_does_not_repeat_what_fails_by_itself(tmp_path: Path) -> None:
    record = broken(tmp_path, ContractError("a: encode exited with status 1."))
    grants.refuse_in_vain(record, key="key", attempt=1)
    grants.refuse_in_vain(record, key="another", attempt=2)
    with pytest.raises(ContractError, match=r"exited with status 1\. Another attempt would"):
        grants.refuse_in_vain(record, key="key", attempt=2)


def test_a_later_attempt_runs_where_the_first_left_no_word(tmp_path: Path) -> None:
    grants.refuse_in_vain(tmp_path / "encode.json", key="key", attempt=2)
    assert list(tmp_path.iterdir()) == []


def test_rules_that_the_cluster_profile_names_exist() -> None:
    text = (REPOSITORY / "workflow/profiles/slurm/config.yaml").read_text()
    profile = yaml.safe_load(text)
    rules = set()
    for path in (REPOSITORY / "workflow/rules").glob("*.smk"):
        rules |= set(re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE))
    named = {entry.partition("=")[0] for entry in profile["groups"]} | set(profile["set-resources"])
    assert named <= rules
    local = yaml.safe_load((REPOSITORY / "workflow/profiles/local/config.yaml").read_text())
    assert {name: profile[name] for name in local} == local
