"""What the view of a run takes from Snakemake's log, and when it leaves it alone."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from invrbench.results.announcing import Announcer, watch
from invrbench.results.planning import load_plan
from invrbench.results.watching import Board
from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness

REPOSITORY = Path(__file__).resolve().parents[2]
POINT = "results/clip/net/any/q1/s0"
COMMAND = (
    'RuleException:\nCalledProcessError in file "workflow/rules/codecs.smk", line 75:\n'
    f"Command 'trap '' INT;  exec invrbench decode {POINT} --ctc mini --gpus 0 --attempt 1' "
    "returned non-zero exit status 1."
)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    held = Board(load_plan(REPOSITORY, "smoke"), Counter({("net", "decode"): 3}), cores=2)
    held.root = tmp_path
    return held


def record(event: str | None, message: str | None, level: int = logging.INFO, **fields: object):
    made = logging.LogRecord("snakemake.logging", level, "", 0, message, (), None)
    for name, value in {"event": event, **fields}.items():
        setattr(made, name, value)
    return made


def begin(number: int, rule: str = "decode", folder: str = POINT) -> logging.LogRecord:
    words = dict(zip(("sequence", "codec", "configuration", "rate_point"), folder.split("/")[1:],
                     strict=False))  # fmt: skip
    return record("job_info", None, jobid=number, rule_name=rule, shellcmd=f"exec invrbench {rule}",
                  output=[f"{folder}/{rule}.json"], log=[f"{folder}/{rule}.log"],
                  wildcards={**words, "seed": "0"})  # fmt: skip


def fail(number: int, **fields: object) -> logging.LogRecord:
    return record("job_error", "Error in rule decode", logging.ERROR, jobid=number, **fields)


def leave_reason(root: Path, reason: str, verb: str = "decode", folder: str = POINT) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / f"{verb}.failed.json").write_text(json.dumps({"reason": reason}))


def test_jobs_begin_and_end_by_snakemakes_events(board: Board) -> None:
    ours = Announcer(board, is_elsewhere=False)
    ours.emit(begin(4))
    ((job, _),) = board.view().running
    assert (job.rule, job.codec, job.name) == ("decode", "net", "clip/net/q1")
    ours.emit(record("job_finished", "Finished jobid: 4 (Rule: decode)", job_id=4))
    assert (board.view().done, board.view().running) == (1, ())


def test_a_rule_that_only_names_others_is_no_job(board: Board) -> None:
    target = begin(0, rule="all")
    target.shellcmd = None
    Announcer(board, is_elsewhere=False).emit(target)
    assert board.view().running == ()


def test_lines_that_tell_nobody_anything_are_left_out(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=True)
    ours.emit(record(None, "Select jobs to execute..."))
    ours.emit(record("job_started", "Execute 1 jobs...", jobs=[1]))
    ours.emit(record("progress", None, done=1, total=2))
    ours.emit(record(None, "Job 3 has been submitted with SLURM jobid 77 (log: x)."))
    ours.emit(record(None, None))
    assert capsys.readouterr().err == ""


def test_other_words_of_snakemake_are_passed_on_whole(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=False)
    told = ["SLURM run ID: 5f2", "MissingOutputException in rule fit:\n" + "x" * 500]
    ours.emit(record(None, told[0]))
    ours.emit(record("error", told[1], logging.ERROR))
    assert capsys.readouterr().err == "".join(f"{text}\n" for text in told)


def test_a_verb_that_told_its_failure_is_not_told_of_again(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=False)
    ours.emit(begin(4))
    leave_reason(board.root, "net: decode exited with status 3")
    ours.emit(record("error", COMMAND, logging.ERROR))
    ours.emit(fail(4))
    (failure,) = board.view().failures
    assert failure.reason == "net: decode exited with status 3"
    assert capsys.readouterr().err == ""


def test_a_job_that_was_killed_is_told_with_snakemakes_words_and_its_log(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=False)
    ours.emit(begin(4))
    ours.emit(record("error", COMMAND, logging.ERROR))
    ours.emit(fail(4))
    told = capsys.readouterr().err
    assert COMMAND in told
    assert f"failed: decode {POINT}: no reason recorded\n  log: {POINT}/decode.log\n" in told


def test_a_failure_on_another_machine_is_told_here(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=True)
    ours.emit(begin(4))
    leave_reason(board.root, "net: decode exited with status 3")
    ours.emit(fail(4, log=[f"{POINT}/decode.log", "results/.slurm/77.log"]))
    assert capsys.readouterr().err == (
        f"failed: decode {POINT}: net: decode exited with status 3\n"
        f"  log: {POINT}/decode.log\n  log: results/.slurm/77.log\n"
    )


def test_of_a_group_that_failed_the_job_with_a_reason_is_told(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=True)
    ours.emit(begin(4))
    ours.emit(begin(5, rule="measure"))
    leave_reason(board.root, "net: decode exited with status 3")
    group = [{"jobid": 4}, {"jobid": 5}]
    ours.emit(record("group_error", "Error in group", logging.ERROR, job_error_info=group,
                     aux_logs=["results/.slurm/77.log"]))  # fmt: skip
    ours.emit(fail(4))
    ours.emit(fail(5))
    told = capsys.readouterr().err
    assert told.count("failed:") == 1 and "results/.slurm/77.log" in told
    (own,) = board.view().told_failures
    assert own.job.rule == "decode"
    assert [each.reason for each in board.view().failures] == [
        "net: decode exited with status 3", "its group failed"
    ]  # fmt: skip


def test_a_job_tried_once_more_is_named(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    ours = Announcer(board, is_elsewhere=True)
    for event in (begin(4), fail(4, rule_msg="lost its node"), begin(4)):
        ours.emit(event)
    assert capsys.readouterr().err.endswith("once more: decode clip/net/q1\n")


def test_jobs_of_a_run_that_was_stopped_have_not_failed(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Announcer(board, is_elsewhere=False)
    ours.emit(begin(4))
    ours.is_stopping = True
    ours.emit(record("error", COMMAND, logging.ERROR))
    ours.emit(fail(4))
    assert (board.view().failures, board.view().running) == ((), ())
    assert capsys.readouterr().err == ""


def test_a_record_that_is_not_understood_is_passed_on(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = record("group_error", "Error in group 7", logging.ERROR, job_error_info=[{"id": 7}])
    Announcer(board, is_elsewhere=False).emit(odd)
    assert capsys.readouterr().err == "Error in group 7\n"


# ---- whose lines are shown


def asked(*quiet: str, **wishes: bool) -> DefaultFilter:
    """Snakemake's filter of what it prints, as its options make it."""
    usual = dict.fromkeys(("debug_dag", "verbose", "dryrun", "printshellcmds"), False)
    return DefaultFilter({Quietness[name] for name in quiet}, **{**usual, **wishes})


@pytest.fixture
def default() -> Iterator[logging.Handler]:
    logger, handler = logging.getLogger("snakemake.logging"), logging.NullHandler()
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "wishes",
    [
        asked("HOST", "REASON"),
        asked("RULES", "PROGRESS"),
        asked("ALL"),
        asked("RULES", verbose=True),
        asked("RULES", printshellcmds=True),
        asked("RULES", debug_dag=True),
    ],
    ids=["no-quiet", "quiet-progress", "quiet-all", "verbose", "printshellcmds", "debug-dag"],
)
def test_who_asks_snakemake_for_other_lines_gets_them(
    default: logging.Handler, wishes: DefaultFilter
) -> None:
    default.addFilter(wishes)
    assert watch(load_plan(REPOSITORY, "smoke"), [], cores=2) is None
    assert default in logging.getLogger("snakemake.logging").handlers


def test_another_logger_stays() -> None:
    assert watch(load_plan(REPOSITORY, "smoke"), [], cores=2) is None


def test_snakemakes_lines_come_back_at_the_end(
    default: logging.Handler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    default.addFilter(asked("RULES", "HOST", "REASON"))
    rule = SimpleNamespace(name="decode", shellcmd="exec …")
    jobs = [SimpleNamespace(rule=rule, wildcards_dict={"codec": "net"})]
    view = watch(load_plan(REPOSITORY, "smoke"), jobs, cores=2)
    assert view is not None
    (ours,) = logging.getLogger("snakemake.logging").handlers
    ours.emit(begin(4))
    ours.emit(record("job_finished", "Finished", job_id=4))
    view.stop()
    view.stop()
    assert logging.getLogger("snakemake.logging").handlers == [default]
    assert capsys.readouterr().err == "1 of 1 jobs done, in 0 s\n"
