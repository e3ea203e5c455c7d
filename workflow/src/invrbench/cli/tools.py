"""Tools a cross-checker uses by hand on any files."""

import sys
from pathlib import Path
from typing import Any

from invrbench.cli.common import find_point, repository, write_result


def measure(arguments: Any) -> int:
    """Measure any two files."""
    from invrbench.metrics.handheld import measure_files

    values = measure_files(
        Path(arguments.reference),
        Path(arguments.decoded),
        size=arguments.size,
        pixel_format=arguments.pixel_format,
        fps=arguments.fps,
        frames=arguments.frames,
        metrics=[name.strip() for name in arguments.metrics.split(",") if name.strip()],
    )
    lines = []
    for name, value in values.items():
        if isinstance(value, float | int):
            lines.append(f"{name:<20}{value:.6g}")
        elif name.endswith("_reason") and value:
            lines.append(f"{name.removesuffix('_reason'):<20}{value}")
    write_result(values, arguments.json, "\n".join(lines) + "\n")
    return 0


def bd(arguments: Any) -> int:
    """BD-rate and BD-quality of two curves."""
    from dataclasses import asdict

    from invrbench.compare.bd import bd as compare
    from invrbench.compare.bd import read_curve

    anchor, test = read_curve(Path(arguments.anchor)), read_curve(Path(arguments.test))
    result = compare(anchor, test, method=arguments.method)
    if result.bd_rate_percent is None:
        text = f"{result.reason}\n"
    else:
        text = f"BD-rate {result.bd_rate_percent:+.2f} %"
        if result.bd_quality is not None:
            text += f"  BD-quality {result.bd_quality:+.3f}"
        text += f"  overlap {result.overlap:.0%}\n"
    write_result({"method": arguments.method, **asdict(result)}, arguments.json, text)
    return 0


def weights(arguments: Any) -> int:
    """Fetch AlexNet's trunk into the user's cache; in the DAG, record whether it is here."""
    from invrbench.codec.stopping import follow_the_run
    from invrbench.dag import write_weights_record
    from invrbench.errors import InvrError
    from invrbench.metrics.weights import fetch_trunk, find_trunk

    if arguments.record:
        follow_the_run()
    reason = None
    try:
        trunk = find_trunk() or fetch_trunk()
        sys.stderr.write(f"LPIPS weights: {Path(trunk).name}\n")
    except InvrError as error:
        if not arguments.record:
            raise
        reason = str(error)
        sys.stderr.write(f"LPIPS stays empty: {error}\n")
    if arguments.record:
        write_weights_record(repository(), reason)
    return 0


def serve_perceptual(arguments: Any) -> int:
    """Hold torch and LPIPS for the jobs of a run; ends with the process that started it."""
    from invrbench.metrics.server import serve

    serve(Path(arguments.address))
    return 0


def view(arguments: Any) -> int:
    """Write source and points side by side as a video."""
    from invrbench.results.view import write_side_by_side

    root = repository()
    points = [find_point(folder, arguments.ctc)[1] for folder in arguments.points]
    write_side_by_side(root, points, Path(arguments.output), arguments.view)
    return 0
