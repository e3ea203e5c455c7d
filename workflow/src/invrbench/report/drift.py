"""The table of drift: how often each codec's pictures change under other settings."""

from collections.abc import Sequence

from invrbench.report.cells import BLANK, Cell, Column, Table, number, reason, text
from invrbench.report.content import Report
from invrbench.results.drift import DECIMALS, VERDICTS, DriftCount, bound

HEADS = ("Bit-exact", f"Equal to {DECIMALS} decimals", "Within", "Fails")
NOTE = (
    "A bitstream decoded once more under a setting, against the decode that was measured: the same "
    f"files; every PSNR equal when written with {DECIMALS} decimals; within the stated difference "
    "of any frame and plane; or no picture. Claims: 'bit-exact' under every setting, 'same-device' "
    "under any number of threads on one device."
)


def drift(report: Report) -> Table:
    """A row per codec and setting; no row where nobody looked."""
    columns = (
        Column("Codec", 36, "left"),
        Column("Setting", 16, "left"),
        Column("Points", 9),
        *(Column(head, 12) for head in HEADS),
        Column("Largest difference, dB", 14),
        Column("Claim", 14),
        Column("Worst", 60, "left"),
    )
    rows = tuple(_row(report, each) for each in report.info.drift)
    broken = tuple(f"Broken claim: {sentence}" for sentence in broken_claims(report.info.drift))
    title = "Drift: the same bitstreams decoded under other settings"
    return Table("drift", title, columns, rows, notes=(NOTE, *broken))


def _row(report: Report, each: DriftCount) -> tuple[Cell, ...]:
    names = (text(report.info.codec(each.codec).display), text(each.setting))
    if each.why_not:
        return (*names, number(0, "0"), *[BLANK] * (len(HEADS) + 2), reason(each.why_not))
    counts = (number(each.counts[verdict], "0;-0;–") for verdict in VERDICTS)
    apart = None if each.largest_db is None else bound(each.largest_db)
    claim = f"{each.claim}: broken" if each.broken else each.claim
    return (
        *names,
        number(each.points, "0"),
        *counts,
        number(apart, "0.0000", "no picture"),
        text(claim) if claim else reason("none"),
        text(each.worst),
    )


def broken_claims(counts: Sequence[DriftCount]) -> list[str]:
    """A sentence for every claim that a setting breaks."""
    return [each.broken for each in counts if each.broken]
