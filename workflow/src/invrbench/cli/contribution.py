"""Contributions that leave the house and come in: pack one, cross-check another's."""

import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invrbench import __version__
from invrbench.cli.common import plan_of, repository
from invrbench.results.records import machine_label

if TYPE_CHECKING:
    from invrbench.results.claims import Claim
    from invrbench.results.crosscheck import Session
    from invrbench.results.package import Package
    from invrbench.results.reencode import Again
    from invrbench.results.verdicts import Checked

REPORTS = Path("reports/crosscheck")
LISTED_POINTS = 60
logger = logging.getLogger(__name__)


def pack(arguments: Any) -> int:
    """Write a codec's points into one archive: decoder, bitstreams and claimed numbers."""
    from invrbench.codec.checks import counted
    from invrbench.compare.contribution import tested_rows
    from invrbench.ctc.names import check_label
    from invrbench.results.pack import Sender, gather, write_package

    label = check_label(arguments.label) if arguments.label else ""
    contribution = gather(plan_of(arguments), arguments.codec)
    sender = Sender(arguments.proponent, arguments.document, label)
    target = Path(arguments.output or repository() / contribution.file_name)
    bd = tested_rows(contribution.rows, contribution.anchors, contribution.plan.conditions)
    write_package(target, contribution, bd, sender, with_encoder=arguments.with_encoder)
    left = (
        f"; left out: {counted(len(contribution.left_out), 'row')} of points, see README.md inside"
    )
    logger.info(
        "%s: %s, %.1f MB%s.",
        target.name,
        counted(len(contribution.packed), "point"),
        target.stat().st_size / 1e6,
        left * bool(contribution.left_out),
    )
    return 0


def crosscheck(arguments: Any) -> int:
    """Decode and measure a packed contribution again, and say what became of its claims.

    Exit 1 if a claim was contradicted or a point could not be decoded.
    """
    from invrbench.report.crosscheck import write_crosscheck
    from invrbench.report.crosscheck_words import Crosscheck, moves_of
    from invrbench.results.claims import Head, claims_of, duration, in_order
    from invrbench.results.crosscheck import Session
    from invrbench.results.lock import git_state, harness_name
    from invrbench.results.package import read_package
    from invrbench.results.reencode import require_encoder
    from invrbench.results.verdicts import other_metrics

    root = repository()
    package = read_package(Path(arguments.package))
    if arguments.reencode:
        require_encoder(package)
    head = Head.parse(arguments.frames) if arguments.frames else None
    within = duration(arguments.within) if arguments.within else None
    every = claims_of(package)
    chosen = in_order(_chosen(every, arguments.only))
    limits, limits_of, notes = _limits(root, package)
    session = Session(root, package, limits=limits, head=head)
    with session.opened():
        jobs = arguments.jobs or session.jobs
        sys.stdout.write(_forecast(package, chosen, jobs))
        sys.stdout.flush()
        differing = session.differences()
        notes += session.remarks()
        found = _checked(session, chosen, within, jobs)
        again = _encoded_again(session, chosen, within) if arguments.reencode else ()
    checked = tuple(found.get(claim.key) or _left_out(claim, arguments.only) for claim in every)
    differing += other_metrics(package.value.get("metric_versions", {}), checked)
    check = Crosscheck(
        package=package,
        checked=checked,
        limits=limits,
        limits_of=limits_of,
        by="".join(sign for sign in " ".join(arguments.by.split()) if sign.isprintable()),
        frames=str(head) if head else "",
        machine=machine_label(),
        harness=harness_name(__version__, *git_state(root)),
        differences=tuple(differing),
        notes=tuple(notes),
        moves=moves_of(package, checked),
        again=again,
    )
    folder = Path(arguments.report or root / REPORTS / f"{package.folder}-{package.conditions}")
    sys.stdout.write(f"\n{write_crosscheck(folder, check)}\n")
    sys.stdout.write(f"report: {shown(folder, root)}/crosscheck.xlsx .docx .tsv .json\n")
    contradicted = sum(check.counts[verdict] for verdict in ("differs", "failed"))
    return 1 if contradicted else 0


def shown(folder: Path, root: Path) -> str:
    """A folder as a person in the repository names it."""
    absolute = folder.absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(folder)


def _chosen(claims: "list[Claim]", only: str) -> "list[Claim]":
    """The claims that ``--only`` keeps.

    Raises:
        ConditionsError: it keeps none.
    """
    from invrbench.ctc.selection import Selection

    if not only:
        return claims
    names = [(claim.codec, claim.sequence, str(claim.first["rate_point"])) for claim in claims]
    kept = set(Selection.parse(only).choose(names))
    return [claim for claim, name in zip(claims, names, strict=True) if name in kept]


def _left_out(claim: "Claim", only: str) -> "Checked":
    from invrbench.results.verdicts import NOT_CHECKED, Checked

    return Checked(claim, NOT_CHECKED, f"left out by --only {only}")


def _limits(root: Path, package: "Package") -> tuple[dict[str, float], str, list[str]]:
    """Tolerances, whose they are, and how the conditions of the two sides differ.

    The cross-checker's own conditions decide; the package's only where this repository has none
    of that name.
    """
    from invrbench.ctc.conditions import find_conditions, load_conditions
    from invrbench.ctc.sequences import load_sequences
    from invrbench.ctc.tolerances import tolerances
    from invrbench.errors import ConditionsError

    name = package.conditions
    try:
        sequences = load_sequences(root / "ctc" / "sequences")
        own = load_conditions(find_conditions(root / "ctc", name), sequences)
    except ConditionsError:
        told = f"There are no usable conditions {name} here; the package's tolerances hold."
        return tolerances(package.value["tolerances"]), "those of the package", [told]
    notes = []
    if own.digest() != package.conditions_digest:
        packed = package.value["conditions"]["value"]
        here = json.loads(json.dumps(own.to_json()))  # lists, as in a file
        keys = sorted(key for key in {*packed, *here} if packed.get(key) != here.get(key))
        keys = [key for key in keys if key not in ("title", "note")]
        notes.append(
            f"The conditions {name} here are others than the package's (digest {own.digest()[:8]} "
            f"against {package.conditions_digest[:8]}); they differ in {', '.join(keys)}."
        )
    stated = " and ".join(filter(None, (f"ctc/{name}.yaml" * bool(own.tolerances), "the defaults")))
    return tolerances(own.tolerances), f"{stated} of this repository", notes


def _forecast(package: "Package", claims: "list[Claim]", jobs: int) -> str:
    """How long decoding took where it was packed: by point, or by sequence where there are many."""
    from invrbench.codec.checks import counted

    sequences = dict.fromkeys(claim.sequence for claim in claims)
    machines = "; ".join(map(str, package.value["environment"].get("machines", ()))) or "unknown"
    lines = [
        f"{package.path.name}: {package.value['name']}, {counted(len(claims), 'point')} on "
        f"{counted(len(sequences), 'sequence')}; decoded where they were packed ({machines}) in"
    ]
    if len(claims) <= LISTED_POINTS:
        lines += [f"  {_time(claim.decode_seconds):>9}  {claim.name}" for claim in claims]
    else:
        for sequence in sequences:
            seconds = [c.decode_seconds for c in claims if c.sequence == sequence]
            lines.append(f"  {_time(sum(seconds)):>9}  {sequence}, {len(seconds)} points")
    total = sum(claim.decode_seconds for claim in claims)
    at_once = "one after the other" if jobs == 1 else f"{jobs} at once"
    lines.append(
        f"{_time(total)} in all; {at_once}, decoding takes about {total / jobs / 3600:.2f} h here. "
        "Measuring comes on top."
    )
    return "\n".join(lines) + "\n\n"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _checked(
    session: "Session", claims: "list[Claim]", within: float | None, jobs: int
) -> "dict[tuple[str, str], Checked]":
    """Verdicts by claim, as far as time and patience reach; each is told as it comes."""
    from invrbench.report.crosscheck_words import explanation
    from invrbench.results.crosscheck import STOPPED
    from invrbench.results.verdicts import NOT_CHECKED, Checked

    found: dict[tuple[str, str], Checked] = {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for number, checked in enumerate(session.check(claims, within=within, jobs=jobs), 1):
            found[checked.claim.key] = checked
            why = explanation(checked)
            line = f"{number}/{len(claims)} {checked.verdict}: {checked.claim.name}"
            sys.stdout.write(line + (f" ({why})" if why else "") + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stdout.write("stopped; the report holds what was checked, the same command goes on.\n")
    for claim in claims:
        found.setdefault(claim.key, Checked(claim, NOT_CHECKED, STOPPED))
    return found


def _encoded_again(
    session: "Session", claims: "list[Claim]", within: float | None
) -> "tuple[Again, ...]":
    """Points trained and encoded again, as far as time and patience reach."""
    from invrbench.results.crosscheck import STOPPED
    from invrbench.results.reencode import Again, encode_again

    found: list[Again] = []
    try:
        for again in encode_again(session, claims, within=within):
            found.append(again)
            told = again.why_not or f"{again.record['bitstream_bytes']} bytes"
            sys.stdout.write(f"again {len(found)}/{len(claims)} {again.claim.name}: {told}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stdout.write("stopped; the report holds what was encoded again.\n")
    left = (Again(claim, STOPPED) for claim in claims[len(found) :])
    return (*found, *left)
