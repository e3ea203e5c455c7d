"""What codecs state of themselves: costs, and where the bytes of their bitstreams go."""

from dataclasses import replace

from invrbench.compare.curves import Point, is_number
from invrbench.report.cells import Cell, Column, Table, number, reason, text
from invrbench.report.content import Report
from invrbench.report.tables import curve_place, span, values_of
from invrbench.results.shares import Shares, shares_of


def self_reported(report: Report) -> Table:
    """What codecs state of themselves, per sequence and fit; the harness measured none of it."""
    own = (
        *("parameters", "kmac_per_pixel", "uncompressed_bpp", "bits_per_weight"),
        *("stated_fit_seconds", "stated_encode_seconds"),
    )
    columns = (
        Column("Codec", 36, "left"),
        Column("Sequence", 26, "left"),
        Column("Fit", 18, "left"),
        Column("Points", 8),
        Column("Parameters (self-reported)", 18, self_reported=True),
        Column("kMAC/pixel (self-reported)", 18, self_reported=True),
        Column("Uncompressed, bit/pixel (from self-reported)", 18, self_reported=True),
        Column("Bits per weight (from self-reported)", 18, self_reported=True),
        Column("Fit, s, of a brought bitstream (self-reported)", 18, self_reported=True),
        Column("Encode, s, of a brought bitstream (self-reported)", 18, self_reported=True),
        Column("Origin of the bitstreams", 14),
    )
    formats = ("#,##0", "0.00", "0.000", "0.00", "0.0", "0.00")
    rows = []
    for curve in report.pooled:
        groups: dict[str, list[Point]] = {}
        for point in curve.points:
            if point["status"] == "ok" and any(is_number(point.get(name)) for name in own):
                groups.setdefault(str(point.get("fit") or ""), []).append(point)
        for fit, points in groups.items():
            part = replace(curve, points=tuple(points))
            stated = [
                span(values_of([part], name), shape, "not stated")
                for name, shape in zip(own, formats, strict=True)
            ]
            origins = ", ".join(sorted({str(point.get("origin") or "") for point in points}))
            names = (report.info.curve_name(curve), curve_place(curve), fit)
            rows.append((*map(text, names), number(len(points), "0"), *stated, text(origins)))
    title = "Self-reported: stated by the codecs, not measured"
    return Table("self-reported", title, columns, tuple(rows))


def bytes_by_part(report: Report) -> Table:
    """Where the bytes of each bitstream go, of codecs that account for them; once for all views."""
    columns = (
        Column("Codec", 36, "left"),
        Column("Sequence", 26, "left"),
        Column("Rate point", 22, "left"),
        Column("Bitstream, bytes", 14),
        Column("Shares of its parts (as its codec attributes them)", 90, "left", True),
    )
    rows = {}
    for curve in report.curves:
        for point in curve.points:
            account = str(point.get("bytes_by_part") or "")
            if point["status"] != "ok" or not account:
                continue
            names = (report.info.curve_name(curve), curve.key.sequence, str(point["rate_point"]))
            told = _told_shares(shares_of(account))
            cells = [number(point["bitstream_bytes"], "#,##0"), told or reason(account)]
            place = replace(curve.key, view_set="")
            rows[place, point["rate_point"]] = (*map(text, names), *cells)
    note = "Parts that do not add up to the file's size are shown as what they account for instead."
    title = "Bytes: what each part of a bitstream takes; the parts add up to its file"
    return Table("bytes", title, columns, tuple(rows.values()), notes=(note,))


def _told_shares(shares: Shares) -> Cell | None:
    """Parts with their share of the whole, the largest first."""
    whole = sum(shares.values())
    held = sorted(shares.items(), key=lambda part: -part[1])
    return text(", ".join(f"{n} {c / whole:.1%}" for n, c in held if c)) if whole else None
