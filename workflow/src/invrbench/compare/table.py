"""The two tables of a report: points.tsv and bd.tsv, one row per fact, reasons beside numbers."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from invrbench.compare.bd import CEILINGS, METHODS, MIN_OVERLAP, bd
from invrbench.compare.curves import (
    BD_METRICS,
    FALLING_METRICS,
    Curve,
    CurveKey,
    Hulls,
    Point,
    can_be_compared,
    group_curves,
    is_number,
    pooled_seed,
    rate_column,
)
from invrbench.digest import write_whole
from invrbench.errors import RecordError

Row = dict[str, Any]

HEADLINE_METHOD = "pchip"
STRONGEST = "strongest"
OVERALL = "overall"
CONFLICT = "conflict"  # status of a point of which contributions give different values
NO_RENDER = "other-views: no anchor renders"
RATIO = "rate_vs_anchor_percent"
FIRST_SEED = "0"  # codecs that are not trained have no other

POINT_COLUMNS = (
    "conditions", "track", "class", "sequence", "cut", "view_set", "codec", "variant", "role",
    "curve", "configuration", "rate_point", "fit", "seed", "origin", "status", "reason",
    "sandbox", "qp", "bitstream_bytes", "bpp", "rate_kbps", "kbit_per_instant",
    "rate_vs_anchor_percent", "psnr_y_db",
    "psnr_u_db", "psnr_v_db", "psnr_yuv_db", "psnr_yuv411_db", "psnr_rgb_db", "ssim_y",
    "ms_ssim_y", "ms_ssim_y_db", "lpips", "vmaf", "xpsnr_y_db", "iv_psnr_db", "dssim1",
    "dssim2", "tof", "warping_error", "flicker", "psnr_rgb_still_db", "psnr_rgb_moving_db",
    "psnr_y_render_db", "psnr_rgb_render_db",
    "fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes", "kmac_per_pixel",
    "parameters", "uncompressed_bpp", "bits_per_weight", "compression_ratio", "learned_bytes",
    "stated_fit_seconds", "stated_encode_seconds", "bytes_by_part",
    "timing", "machine", "device", "drift",
    "bitstream_md5", "decoded_md5", "source_md5",
)  # fmt: skip
BD_COLUMNS = (
    "conditions", "sequence", "class", "view_set", "configuration", "anchor",
    "anchor_configuration", "test", "curve", "seed", "metric", "method", "bd_rate_percent",
    "bd_quality", "overlap", "status", "reason", "n_used", "n_total", "seeds_used", "seeds_total",
)  # fmt: skip

# Decimals of a column in the tables; others are written as Python writes them.
_DECIMALS = {
    "rate_vs_anchor_percent": 2,
    "warping_error": 9,
    "fit_seconds": 3,
    "encode_seconds": 3,
    "decode_seconds": 3,
    "stated_fit_seconds": 3,
    "stated_encode_seconds": 3,
    "bd_rate_percent": 4,
    "overlap": 4,
}
_DEFAULT_DECIMALS = 6


def bd_rows(
    points: Sequence[Point],
    *,
    metrics: Sequence[str] = BD_METRICS,
    headline_metric: str = "psnr_y_db",
    hulls: Hulls | None = None,
) -> list[Row]:
    """Rows of bd.tsv: every tested curve × anchor × metric × method, then the means.

    Curves that differ only in the seed are compared one by one, and once more as their mean, with
    ``mean of n`` for a seed (see :func:`_over_seeds`).

    A class mean has an empty ``sequence``, the overall mean the class ``overall`` as well. Means
    over sequences in which the configuration of the anchor differs say ``strongest``: there each
    sequence counts against the anchor configuration that is hardest to beat in it.

    Args:
        points: normalised points (see :func:`curves.normalised`).
        metrics: columns to compare.
        headline_metric: decides which anchor configuration is the strongest.
        hulls: see :func:`curves.group_curves`.
    """
    curves = [curve for curve in group_curves(points, hulls) if curve.role != "control"]
    conditions = str(points[0].get("conditions") or "") if points else ""
    rows: list[Row] = []
    for test in curves:
        rivals = _of_own_views(test, [each for each in curves if can_be_compared(test, each)])
        rivals = _of_one_seed(test, rivals)
        if test.role != "anchor" and not any(_same_views(test, each) for each in rivals):
            rivals = []
        for anchor in rivals:
            for metric in metrics:
                for method in METHODS:
                    rows.append(compare_curves(test, anchor, metric=metric, method=method))
        if not rivals and test.role != "anchor":
            rows.extend(_row_without_anchor(test, metric, curves) for metric in metrics)
    rows += _over_seeds(rows)
    rows += _means(rows, headline_metric)
    for row in rows:
        row["conditions"] = conditions
    return rows


def _identity(test: Curve) -> Row:
    return {
        "sequence": test.key.sequence,
        "class": test.sequence_class,
        "view_set": test.key.view_set,
        "configuration": test.key.configuration,
        "test": test.key.codec,
        "curve": test.key.curve,
        "seed": test.key.seed,
        "bd_rate_percent": None,
        "bd_quality": None,
        "overlap": None,
        "n_used": None,
        "n_total": None,
        "seeds_used": None,
        "seeds_total": None,
    }


def _of_one_seed(test: Curve, rivals: Sequence[Curve]) -> list[Curve]:
    """Rivals of the tested curve's own seed; a rival without that seed by its first."""
    held = {(each.key.codec, each.key.configuration, each.key.seed) for each in rivals}
    return [
        each
        for each in rivals
        if each.key.seed == test.key.seed
        or (
            each.key.seed == FIRST_SEED
            and (each.key.codec, each.key.configuration, test.key.seed) not in held
        )
    ]


def _of_own_views(test: Curve, rivals: Sequence[Curve]) -> list[Curve]:
    """Rivals by the tested curve's view set; one that lacks it by the first that it has.

    A codec that renders several view sets is one rival, not one for each of them: it would enter
    means once per view set.
    """
    views: dict[tuple[str, str], str] = {}
    for each in sorted(rivals, key=lambda each: not _same_views(test, each)):
        views.setdefault((each.key.codec, each.key.configuration), each.key.view_set)
    return [
        each
        for each in rivals
        if views[each.key.codec, each.key.configuration] == each.key.view_set
    ]


def _same_views(test: Curve, anchor: Curve) -> bool:
    return test.key.view_set == anchor.key.view_set


def no_anchor(test: Curve, curves: Iterable[Curve]) -> str:
    """Why no anchor can be compared with a curve: none of its configuration, or of its views."""
    if any(can_be_compared(test, curve) for curve in curves):
        return f"{NO_RENDER} {test.key.view_set} views"
    return f"no-anchor: no anchor of configuration {test.key.configuration} here"


def _row_without_anchor(test: Curve, metric: str, curves: Iterable[Curve]) -> Row:
    return (
        _identity(test)
        | {
            "anchor": "",
            "anchor_configuration": "",
            "metric": metric,
            "method": HEADLINE_METHOD,
            "status": "none",
            "reason": no_anchor(test, curves),
        }
        | (
            {"status": "drawn only", "reason": f"drawn only: {test.differs}"}
            if test.differs
            else {}
        )
    )


def compare_curves(
    test: Curve, anchor: Curve, *, metric: str, method: str = HEADLINE_METHOD
) -> Row:
    """A row of bd.tsv: one curve against another by one metric, or why there is no number."""
    row = _identity(test) | {
        "anchor": anchor.key.codec,
        "anchor_configuration": anchor.key.configuration,
        "metric": metric,
        "method": method,
    }
    obstacle = _obstacle(test, anchor, metric)
    if obstacle:
        return row | {"status": _status(obstacle), "reason": obstacle}
    rate = rate_column(test, anchor)
    result = bd(
        anchor.drawable(metric, rate),
        test.drawable(metric, rate),
        method,
        falling=metric in FALLING_METRICS,
        ceiling=CEILINGS.get(metric),
    )
    return row | {
        "bd_rate_percent": result.bd_rate_percent,
        "bd_quality": result.bd_quality,
        "overlap": result.overlap,
        "status": result.status,
        "reason": result.reason,
    }


def _status(obstacle: str) -> str:
    words = ("skipped", "drawn only")
    return next((word for word in words if obstacle.startswith(word)), "none")


def _obstacle(test: Curve, anchor: Curve, metric: str) -> str:
    """Why the two cannot be compared before any arithmetic, or an empty text."""
    if test.is_skipped or anchor.is_skipped:
        skipped = test if test.is_skipped else anchor
        return f"skipped: {skipped.key.codec}: {skipped.points[0].get('reason') or 'not served'}"
    if test.key.view_set != anchor.key.view_set:
        return f"other-views: {test.key.view_set} against {anchor.key.view_set}"
    if test.differs:
        return f"drawn only: {test.differs}"
    for point in test.points:
        text = str(point.get("reason") or "")
        if point["status"] == "published" and text:
            return text if text.startswith("drawn only") else f"drawn only: {text}"
    for curve in (test, anchor):
        clashes = [point for point in curve.incomplete if point["status"] == CONFLICT]
        if clashes:
            return (
                f"{CONFLICT}: {len(clashes)} of {len(curve.points)} points of {curve.key.codec}, "
                f"first {clashes[0]['rate_point']}"
            )
        if curve.incomplete:
            first = curve.incomplete[0]
            return (
                f"missing-point: {curve.key.codec} lacks {len(curve.incomplete)} of "
                f"{len(curve.points)}, first {first['rate_point']} ({first['status']})"
            )
    rate = rate_column(test, anchor)
    for curve in (test, anchor):
        for point in curve.points:
            if not is_number(point.get(metric)):
                why = point.get(f"{metric}_reason") or "not measured"
                return f"{why}: {curve.key.codec} {point['rate_point']}"
            if not is_number(point.get(rate)):
                return f"no-rate: {curve.key.codec} {point['rate_point']} has no rate"
    return ""


def is_usable(row: Row) -> bool:
    """Whether a row of a sequence may enter means: a number, over enough of the tested range."""
    return (
        row["status"] == "ok"
        and is_number(row["bd_rate_percent"])
        and is_number(row["overlap"])
        and row["overlap"] >= MIN_OVERLAP
    )


def strongest_configurations(
    rows: Iterable[Row], headline_metric: str
) -> dict[tuple[str, CurveKey], str]:
    """By (anchor, tested curve): the anchor's configuration that is hardest to beat.

    That is the one against which the tested curve's BD-rate is worst. Where no BD-rate exists
    the more capable configuration counts: random access, then low delay, then all intra.
    """
    best: dict[tuple[str, CurveKey], tuple[tuple[int, float, int], str]] = {}
    capability = {"ra": 3, "ld": 2, "ai": 1}
    for row in rows:
        if row["metric"] != headline_metric or row["method"] != HEADLINE_METHOD:
            continue
        if not row["sequence"]:
            continue
        configuration = row["anchor_configuration"]
        number = row["bd_rate_percent"]
        trust = 2 if is_usable(row) else 1 if is_number(number) else 0
        rank = (trust, number if trust else -math.inf, capability.get(configuration, 0))
        key = (row["anchor"], tested_curve(row))
        if key not in best or rank > best[key][0]:
            best[key] = (rank, configuration)
    return {key: configuration for key, (_, configuration) in best.items()}


def tested_curve(row: Row) -> CurveKey:
    """The tested curve of a row of bd.tsv."""
    return CurveKey(
        sequence=row["sequence"],
        view_set=row["view_set"],
        codec=row["test"],
        configuration=row["configuration"],
        curve=row["curve"],
        seed=row["seed"],
    )


def _over_seeds(rows: Sequence[Row]) -> list[Row]:
    """For each comparison that was made with several seeds, a row that is their mean.

    The mean is over the seeds whose row may enter means, else over those that have any number;
    ``seeds_used`` of ``seeds_total`` says how many. It enters the means over sequences like any
    row, so that those are first over seeds and then over sequences.
    """
    same = ("test", "configuration", "curve", "view_set")
    seeds: dict[tuple[str, ...], set[str]] = {}
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        tested = tuple(row[name] for name in same)
        seeds.setdefault(tested, set()).add(row["seed"])
        names = ("sequence", "class", "anchor", "anchor_configuration", "metric", "method")
        groups.setdefault((*tested, *(row[name] for name in names)), []).append(row)
    return [
        _mean_of_seeds(members, len(seeds[key[: len(same)]]))
        for key, members in groups.items()
        if len(seeds[key[: len(same)]]) > 1
    ]


def _mean_of_seeds(members: Sequence[Row], count: int) -> Row:
    usable = [row for row in members if is_usable(row)]
    used = usable or [row for row in members if is_number(row["bd_rate_percent"])]
    base = used[0] if used else members[0]
    mean = base | {"seed": pooled_seed(count), "seeds_used": len(used), "seeds_total": count}
    for column in ("bd_rate_percent", "bd_quality", "overlap"):
        values = [row[column] for row in used]
        whole = values and all(is_number(value) for value in values)
        mean[column] = math.fsum(values) / len(values) if whole else None
    if usable and len(usable) < count:
        left_out = [row for row in members if not any(row is each for each in used)]
        why = ", ".join(dict.fromkeys(short_reason(row) for row in left_out)) or "missing-point"
        mean["reason"] = f"{len(used)} of {count} seeds: {why}"
    return mean


def _means(rows: Sequence[Row], headline_metric: str) -> list[Row]:
    """Class and overall means: of sequences' BD values, never of pooled curves.

    Where an anchor lacks a sequence of the tested codec, its mean is over fewer than the codec
    has, and counts that sequence among those left out. Means of one configuration of several
    are over the sequences that have it.
    """
    strongest = strongest_configurations(rows, headline_metric)
    groups: dict[tuple[str, ...], list[Row]] = {}
    fields = ("view_set", "configuration", "anchor", "test", "curve", "seed", "metric", "method")
    for row in rows:
        if not row["anchor"]:
            continue
        key = tuple(row[field] for field in fields)
        for scope in (row["class"], OVERALL):
            groups.setdefault((scope, row["anchor_configuration"], *key), []).append(row)
            if row["configuration"] != row["anchor_configuration"] and (
                strongest.get((row["anchor"], tested_curve(row))) == row["anchor_configuration"]
            ):
                groups.setdefault((scope, STRONGEST, *key), []).append(row)
    expected = _expected_sequences(rows)
    means = []
    for (scope, configuration, *names), members in groups.items():
        mean = dict(zip(fields, names, strict=True))
        mean |= {"sequence": "", "class": scope, "anchor_configuration": configuration}
        everything = expected[(scope, *(mean[name] for name in _TESTED))]
        held = {row["sequence"] for row in members}
        if configuration in (STRONGEST, mean["configuration"]):
            members = members + [row for name, row in everything.items() if name not in held]
        means.append(mean | _mean(members))
    order = {id(row): index for index, row in enumerate(means)}
    return sorted(means, key=lambda row: (row["class"] == OVERALL, order[id(row)]))


_TESTED = ("view_set", "configuration", "test", "curve", "seed")


def _expected_sequences(rows: Iterable[Row]) -> dict[tuple[str, ...], dict[str, Row]]:
    """By scope and tested codec: its sequences, each with a row as an absent anchor leaves it."""
    absent: Row = {"status": "none", "bd_rate_percent": None, "overlap": None}
    found: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        why = "no-anchor" if row["anchor"] else row["reason"]
        for scope in (row["class"], OVERALL):
            sequences = found.setdefault((scope, *(row[name] for name in _TESTED)), {})
            sequences.setdefault(row["sequence"], row | absent | {"reason": why})
    return found


def _mean(members: Sequence[Row]) -> Row:
    used = [row for row in members if is_usable(row)]
    mean: Row = {
        "bd_rate_percent": None,
        "bd_quality": None,
        "overlap": None,
        "n_used": len(used),
        "n_total": len(members),
        "status": "ok",
        "reason": "",
        "seeds_used": None,
        "seeds_total": None,
    }
    pooled = [row for row in members if row["seeds_total"] is not None]
    if pooled:
        mean["seeds_used"] = min((row["seeds_used"] for row in used), default=0)
        mean["seeds_total"] = pooled[0]["seeds_total"]
    if used:
        for column in ("bd_rate_percent", "bd_quality"):
            values = [row[column] for row in used]
            if all(is_number(value) for value in values):
                mean[column] = math.fsum(values) / len(values)
    left_out = [row for row in members if not is_usable(row)]
    if left_out:
        why = ", ".join(dict.fromkeys(short_reason(row) for row in left_out))
        mean["reason"] = f"{len(used)} of {len(members)}: {why}"
    if not used:
        mean["status"] = "withheld"
    return mean


def short_reason(row: Row) -> str:
    """The code of a row's reason, short enough for a cell: ``no-overlap``, ``missing-point``.

    >>> short_reason({"status": "missing-point", "reason": "missing-point: hnerv lacks 1 of 4"})
    'missing-point'
    """
    reason = str(row.get("reason") or row.get("status") or "")
    if reason.startswith(NO_RENDER):
        return reason.partition(": ")[2]
    return reason if reason.startswith("drawn only") else reason.split(":")[0]


def add_rate_vs_anchor(
    points: Sequence[Point], rows: Sequence[Row], headline: tuple[str, str]
) -> None:
    """Fill ``rate_vs_anchor_percent``: 100 × rate over the headline anchor's at equal quality.

    The anchor's log rate is interpolated over quality (pchip) inside its range; the anchor's
    configuration is the strongest for proposals, the equal one for anchors.

    Args:
        points: normalised points; changed in place.
        rows: rows of bd.tsv, which know the strongest configuration.
        headline: (anchor, metric).
    """
    anchor_codec, metric = headline
    strongest = strongest_configurations(rows, metric)
    curves = group_curves(points)
    anchors = {
        (curve.key.sequence, curve.key.view_set, curve.key.configuration): curve
        for curve in curves
        if curve.key.codec == anchor_codec and curve.key.seed == FIRST_SEED
    }
    for curve in curves:
        configuration = strongest.get((anchor_codec, curve.key), curve.key.configuration)
        anchor = anchors.get((curve.key.sequence, curve.key.view_set, configuration))
        for point in curve.points:
            ratio, reason = _rate_ratio(point, curve, anchor, metric)
            point[RATIO] = ratio
            point[reason_column(RATIO)] = reason


def _rate_ratio(
    point: Point, curve: Curve, anchor: Curve | None, metric: str
) -> tuple[float | None, str]:
    if curve.role == "control":
        return None, "control"
    if curve.differs:
        return None, f"drawn only: {curve.differs}"
    if point["status"] not in ("ok", "published"):
        return None, str(point["status"])
    if point["status"] == "published" and point.get("reason"):
        return None, str(point["reason"])
    if anchor is None:
        return None, "no-anchor"
    if anchor.incomplete:
        return None, "missing-point"
    rate = rate_column(curve, anchor)
    quality = point.get(metric)
    bits = point.get(rate)
    if not is_number(quality) or not is_number(bits):
        return None, str(point.get(f"{metric}_reason") or "no-rate")
    reference = anchor.drawable(metric, rate)
    if metric in FALLING_METRICS:
        reference = [(other, -value) for other, value in reference]
        quality = -quality
    return _interpolated_ratio(float(bits), float(quality), reference)


def _interpolated_ratio(
    rate: float, quality: float, reference: Sequence[tuple[float, float]]
) -> tuple[float | None, str]:
    """100 × rate over the reference's rate at ``quality``, or None and the reason."""
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    rates = [bits for bits, _ in reference]
    values = [value for _, value in reference]
    if len(reference) < 2:
        return None, "fewer-than-2-anchor-points"
    if min(rates) <= 0 or rate <= 0:
        return None, "no-rate"
    if any(low >= high for low, high in pairwise(values)):
        return None, "non-monotone"
    if quality < values[0]:
        return None, "below the anchor's range"
    if quality > values[-1]:
        return None, "above the anchor's range"
    log_rate = float(PchipInterpolator(values, np.log(rates))(quality))
    return 100.0 * rate / math.exp(log_rate), ""


def reason_column(column: str) -> str:
    """Where the reason for an empty cell of a column stands."""
    return "rate_vs_anchor_reason" if column == RATIO else f"{column}_reason"


def point_columns(points: Sequence[Point]) -> list[str]:
    """Columns of points.tsv: always the fixed ones, the metrics' reasons, then what else is there.

    >>> point_columns([])[-3:]
    ['psnr_y_render_db_reason', 'psnr_rgb_render_db_reason', 'rate_vs_anchor_reason']
    """
    metrics = POINT_COLUMNS[POINT_COLUMNS.index("psnr_y_db") : POINT_COLUMNS.index("fit_seconds")]
    columns = [*POINT_COLUMNS, *(reason_column(name) for name in (*metrics, RATIO))]
    further = dict.fromkeys(name for point in points for name in point if name not in columns)
    return [*columns, *further]


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as tab-separated text with '\\n' line ends; None is an empty cell.

    Floats have a fixed number of decimals per column; NaN and infinity are refused.
    """
    out = io.StringIO()
    out.write("\t".join(columns) + "\n")
    for row in rows:
        out.write("\t".join(_cell(column, row.get(column)) for column in columns) + "\n")
    write_whole(path, out.getvalue())


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError(
                f"column {column} holds {value}, which is no number; leave the cell empty and "
                f"give {column}_reason."
            )
        text = f"{value:.{_DECIMALS.get(column, _DEFAULT_DECIMALS)}f}"
        return text.lstrip("-") if not text.strip("-0.") else text
    return " ".join(str(value).split())


def read_points(path: Path) -> list[Point]:
    """Points of an earlier points.tsv; numbers are numbers again, empty cells None.

    Raises:
        RecordError: the file is no points.tsv, or a cell is not what its column holds.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not set(_NEEDED) <= set(reader.fieldnames or ()):
                raise RecordError(
                    f"{path.name}: no table of points; expected tab-separated columns sequence, "
                    "codec, rate_point, status, … in the first line."
                )
            return [_point(row, f"{path.name}, line {reader.line_num}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path.name}: no table of points in UTF-8 ({error}).") from None


_NEEDED = ("sequence", "codec", "rate_point", "status")


def _point(row: Mapping[Any, str | None], where: str) -> Point:
    if None in row:
        raise RecordError(f"{where}: has more cells than the first line has columns.")
    for name in _NEEDED:
        if not row[name]:
            raise RecordError(f"{where}: has no {name}; every point needs one.")
    return {name: _value(name, text, where) for name, text in row.items()}


_FIRST_NUMBER = POINT_COLUMNS.index("qp")
_NUMBERS = frozenset(POINT_COLUMNS[_FIRST_NUMBER:]) - {
    "bytes_by_part",
    "timing",
    "machine",
    "device",
    "drift",
    "bitstream_md5",
    "decoded_md5",
    "source_md5",
}


def _value(name: str, text: str | None, where: str) -> Any:
    if not text:
        return None
    if name not in _NUMBERS:
        return text
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise RecordError(
            f"{where}: {name} is {text!r}, which is no number; leave the cell empty and give "
            f"{reason_column(name)}."
        ) from None
