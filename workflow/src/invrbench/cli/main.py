"""Arguments of every verb; what a verb needs is imported when it runs."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from invrbench import __version__
from invrbench.errors import InvrError, storage_error

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STOPPED = 130  # as of a program that Ctrl-C ended

Parser = argparse.ArgumentParser


def _conditions(parser: Parser) -> None:
    parser.add_argument("--ctc", default="mini", help="test conditions, a file under ctc/")


def _selection(parser: Parser) -> None:
    _conditions(parser)
    parser.add_argument("--only", default="", help="codecs/sequences/points, shell patterns")
    parser.add_argument("--label", default="", help="sub-folder of the report")
    parser.add_argument("--seeds", type=int, default=None, help="number of training seeds")


def _json(parser: Parser) -> None:
    parser.add_argument("--json", metavar="FILE", help="write JSON here; - is standard output")


def _granted(parser: Parser) -> None:
    parser.add_argument(
        "--attempt", type=int, default=1, metavar="N", help="allow N times the codec's mem_mb"
    )
    parser.add_argument(
        "--gpus", type=int, metavar="N", help="GPUs to take; one if there is one without it"
    )


def _point_verb(parser: Parser) -> None:
    parser.add_argument("folder", help="folder of the point or fit, below results/")
    _conditions(parser)
    _granted(parser)


def _measure_point(parser: Parser) -> None:
    parser.add_argument("folder", help="folder of the point, below results/")
    parser.add_argument(
        "families", nargs="*", help="of metrics; none measures those whose records are not current"
    )
    _conditions(parser)
    _granted(parser)


def _drift_point(parser: Parser) -> None:
    parser.add_argument("folder", help="folder of the point, below results/")
    parser.add_argument("setting", help="a setting, see `invrbench drift`")
    _conditions(parser)
    _granted(parser)


def _drift(parser: Parser) -> None:
    parser.add_argument("points", nargs="?", default="", help="codecs/sequences/points, patterns")
    _conditions(parser)
    parser.add_argument(
        "--settings",
        default="",
        help="of threads-1,threads-N,threads-<number>,cpu,cuda,float32,plain-cpu,venv:<folder>; "
        "all that apply but the last",
    )
    parser.add_argument("--within", type=float, metavar="DB", help="what differs by more fails")
    _json(parser)


def _source(parser: Parser) -> None:
    parser.add_argument("sequence", help="sequence with its cut, e.g. Cactus@0+32")
    _conditions(parser)


def _measure(parser: Parser) -> None:
    parser.add_argument("reference", help="raw video or picture")
    parser.add_argument("decoded", help="raw video or picture of the same size")
    parser.add_argument("--size", help="WxH in luma samples; not needed for pictures")
    parser.add_argument("--pixel-format", help="yuv420p, yuv420p10le, yuv444p, rgb24")
    parser.add_argument("--fps", default="25", help="frames per second (does not move a metric)")
    parser.add_argument("--frames", type=int, help="measure the first frames only")
    parser.add_argument(
        "--metrics",
        default="psnr,ssim,ms_ssim",
        help="of psnr,ssim,ms_ssim,lpips,vmaf,xpsnr,iv_psnr,dssim,tof,warping_error,flicker,"
        "regions (PSNR of still and of moving pixels)",
    )
    _json(parser)


def _bd(parser: Parser) -> None:
    parser.add_argument("anchor", help="table with columns rate and quality")
    parser.add_argument("test", help="table with columns rate and quality")
    parser.add_argument("--method", default="pchip", choices=("pchip", "akima", "cubic"))
    _json(parser)


def _report(parser: Parser) -> None:
    _selection(parser)
    parser.add_argument("--partial", action="store_true", help="after a failure: what there is")


def _status(parser: Parser) -> None:
    _selection(parser)
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_interval,
        const=2.0,
        metavar="SECONDS",
        help="again and again, on a terminal (every 2 s)",
    )


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds from 0.2 to 3600")
    return value


def _accept(parser: Parser) -> None:
    parser.add_argument("points", nargs="+", help="folders of points or fits, shell patterns")
    parser.add_argument("--because", required=True, help="why; stays in record and report")
    _conditions(parser)


def _expect(parser: Parser) -> None:
    parser.add_argument("codecs", nargs="+", help="ids of codecs with [claims].expected")
    _conditions(parser)


def _weights(parser: Parser) -> None:
    parser.add_argument("what", choices=("lpips",))
    parser.add_argument("--record", action="store_true", help="called by the DAG: never fails")


def _new(parser: Parser) -> None:
    parser.add_argument("codec", help="id of the new folder under proposals/")


def _check(parser: Parser) -> None:
    parser.add_argument("codecs", nargs="*", help="ids; none checks every folder")


def _view(parser: Parser) -> None:
    parser.add_argument("points", nargs="+", help="folders of points of one sequence")
    parser.add_argument("-o", "--output", required=True, help="video file, e.g. clip.mp4")
    parser.add_argument("--view", default="", help="of a scene; its first one without it")
    _conditions(parser)


def _pack(parser: Parser) -> None:
    parser.add_argument("codec", help="id, or id+variant")
    _selection(parser)
    parser.add_argument("--document", default="", help="document number, e.g. m71234")
    parser.add_argument("--proponent", default="", help="who sends it, e.g. a company")
    parser.add_argument("--with-encoder", action="store_true", help="fit and encode go along")
    parser.add_argument("-o", "--output", help="archive to write; <codec>-<conditions>.zip")


def _crosscheck(parser: Parser) -> None:
    parser.add_argument("package", help="archive made by `invrbench pack`")
    parser.add_argument("--within", default="", help="begin nothing after this time, e.g. 3h, 90m")
    parser.add_argument("--frames", default="", help="compare these alone, first+count: 0+16")
    parser.add_argument("--only", default="", help="codecs/sequences/points, shell patterns")
    parser.add_argument("--by", default="", help="the cross-checker, e.g. a company")
    parser.add_argument("--jobs", type=int, help="points measured at once; as many as have cores")
    parser.add_argument("--reencode", action="store_true", help="fit and encode again as well")
    parser.add_argument("--report", help="folder to write; reports/crosscheck/<codec>-<conditions>")


def _diff(parser: Parser) -> None:
    parser.add_argument("old", help="report folder, or a points.tsv")
    parser.add_argument("new", help="report folder, or a points.tsv")
    parser.add_argument("-o", "--output", help="folder for diff.tsv, .md, .xlsx and .json")
    _json(parser)


def _merge(parser: Parser) -> None:
    parser.add_argument(
        "contributions",
        nargs="+",
        help="packages, report folders, roots of clones with results/, points.tsv, crosscheck.json",
    )
    parser.add_argument("--label", required=True, help="of the merge, e.g. N0123")
    parser.add_argument("-o", "--output", help="folder to write; reports/merged/<label>")
    parser.add_argument("--anchor-from", default="", help="contribution whose anchor is used")
    _conditions(parser)


def _serve(parser: Parser) -> None:
    parser.add_argument("address", help="socket to listen on")


def _nothing(parser: Parser) -> None:
    del parser


# verb: (module under invrbench.cli, function, arguments, help)
VERBS: dict[str, tuple[str, str, Callable[[Parser], None], str]] = {
    "doctor": ("look", "doctor", _conditions, "what this machine has and lacks"),
    "plan": ("look", "plan", _selection, "what a run would do, and how long it would take"),
    "status": ("look", "status", _status, "running fits, and what became of every point"),
    "source": ("steps", "source", _source, "make a sequence's raw file"),
    "fit": ("steps", "fit", _point_verb, "train one model"),
    "encode": ("steps", "encode", _point_verb, "write one bitstream"),
    "decode": ("steps", "decode", _point_verb, "decode one bitstream in the sandbox"),
    "measure-point": ("steps", "measure_point", _measure_point, "measure one decoded point"),
    "time": ("steps", "time", _point_verb, "time one point's verbs alone on the machine"),
    "drift-point": ("steps", "drift_point", _drift_point, "decode a point under one setting"),
    "report": ("steps", "report", _report, "tables, plots and workbook of a run"),
    "measure": ("tools", "measure", _measure, "measure any two files"),
    "bd": ("tools", "bd", _bd, "BD-rate of any two curves"),
    "view": ("tools", "view", _view, "source, anchor and proposal side by side"),
    "weights": ("tools", "weights", _weights, "fetch the weights LPIPS needs"),
    "serve-perceptual": ("tools", "serve_perceptual", _serve, "hold LPIPS for a run (internal)"),
    "adopt": ("keep", "adopt", _selection, "take a results tree from elsewhere as done"),
    "accept": ("keep", "accept", _accept, "renew keys without running"),
    "expect": ("keep", "expect", _expect, "write the points a codec's folder expects of it"),
    "pack": ("contribution", "pack", _pack, "a codec's points in one archive, to be sent"),
    "crosscheck": ("contribution", "crosscheck", _crosscheck, "check another's archive"),
    "diff": ("compare_reports", "diff", _diff, "what changed between two reports, and why"),
    "merge": ("compare_reports", "merge", _merge, "several companies' results in one workbook"),
    "drift": ("drift", "drift", _drift, "decode under other settings: same pictures?"),
    "new": ("codecs", "new", _new, "write the folder of a new proposal"),
    "check": ("codecs", "check", _check, "run the conformance suite of codec folders"),
}


def build_parser() -> Parser:
    """The program's argument parser."""
    parser = Parser(
        prog="invrbench",
        description="The bench for exploration experiments on implicit neural visual "
        "representation. `snakemake --cores 8 all` runs everything; these are its steps.",
    )
    parser.add_argument("--version", action="version", version=f"invrbench {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, (_, _, arguments, text) in VERBS.items():
        arguments(verbs.add_parser(name, help=text, description=text))
    return parser


def _handler(verb: str) -> Callable[[Any], int]:
    module, function, _, _ = VERBS[verb]
    loaded: Callable[[Any], int] = getattr(
        importlib.import_module(f"invrbench.cli.{module}"), function
    )
    return loaded


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; errors raised on purpose become a sentence on standard error."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=os.environ.get("INVRBENCH_LOG", "INFO"),
        format="%(message)s",
        stream=sys.stderr,
    )
    try:
        return _handler(arguments.verb)(arguments)
    except InvrError as error:
        sys.stderr.write(f"invrbench {arguments.verb}: {error}\n")
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write(f"invrbench {arguments.verb}: stopped\n")
        return EXIT_STOPPED
    except OSError as error:
        told = storage_error(error)
        if told is None:
            raise
        sys.stderr.write(f"invrbench {arguments.verb}: {told}\n")
        return EXIT_FAILED
