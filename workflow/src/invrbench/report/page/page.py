"""index.html: assets, Plotly's bundle and the data put into one file that fetches nothing.

Names and reasons are strangers' text: the data lies in the page as JSON in which no markup can
start, the script shows it as text only, and a policy in the page's head forbids every script but
the page's own and every request.
"""

import base64
import hashlib
import html
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invrbench.compare.findings import Verdict
from invrbench.digest import write_whole
from invrbench.errors import ToolError
from invrbench.report.content import Report
from invrbench.report.info import heading
from invrbench.report.page.data import page_data
from invrbench.report.page.frames import frame_values
from invrbench.report.page.pictures import candidates, choose
from invrbench.report.page.sources import PageSources

MAX_BYTES = 15_000_000
PICTURE_BYTES = 8_000_000  # base64 text of the pictures, at most
_SPARE = 100_000  # bytes below the limit
_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = (
    *("core", "plots", "rates", "frames", "costs", "tables"),
    *("viewer", "gestures", "slices", "panel", "main"),
)
_DRAWING = 'document.dispatchEvent(new Event("plots"));'  # after Plotly, before the pictures
_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_page(
    path: Path,
    report: Report,
    sources: PageSources | None = None,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Write the page whole.

    Args:
        path: index.html.
        report: points, rows of bd.tsv and the run.
        sources: what lies beside the records; without them there are no pictures, no per-frame
            values and no links to records.
        verdicts: on the findings of the conditions.

    Raises:
        ToolError: Plotly is not installed.
    """
    held = sources or PageSources()
    data = page_data(report, held, verdicts)
    frames = frame_values(report, held)
    scripts = [own_script(), plotly_bundle(), _DRAWING]
    parts = {"data": safe_json(data), "frames": safe_json(frames)}
    size = sum(len(text.encode()) for text in (*parts.values(), *scripts, _asset("page.css")))
    room = min(PICTURE_BYTES, MAX_BYTES - _SPARE - size)
    names = [str(each["id"]) for each in data["sequences"]]
    chosen = choose(candidates(report, held, names), room)
    pictures = {"factor": chosen.factor, "held": chosen.pictures, "sizes": _sizes(held, names)}
    parts |= {
        "pictures": safe_json(pictures),
        "title": html.escape(f"{heading(report.info)} · {report.info.title}"),
        "style": _asset("page.css"),
        "script": scripts[0],
        "plotly": scripts[1],
        "drawing": scripts[2],
        "policy": policy(scripts),
    }
    write_whole(path, filled(_asset("page.html"), parts))


def _sizes(sources: PageSources, sequences: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of every sequence with previews: samples of a frame to one of them, and the slice's row."""
    return {
        str(index): {"shrink": held.shrink, "row": held.row}
        for index, name in enumerate(sequences)
        if (held := sources.sequences.get(name)) is not None
    }


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A template in which every ``{{name}}`` is replaced by its part, in one pass."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def safe_json(value: Any) -> str:
    """JSON that can stand inside a script element: no markup starts in it.

    >>> safe_json({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be written
    return re.sub("[<>&\u2028\u2029]", lambda found: _MARKUP[found[0]], text)


def policy(scripts: Sequence[str]) -> str:
    """A content security policy: these scripts, pictures in the page, and nothing from outside."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; form-action 'none'; base-uri 'none'"
    )


def plotly_bundle() -> str:
    """The script that the package ``plotly`` holds, without importing the package.

    Raises:
        ToolError: the package or its bundle is not there.
    """
    found = importlib.util.find_spec("plotly")
    places = list(found.submodule_search_locations or []) if found else []
    path = Path(places[0]) / "package_data" / "plotly.min.js" if places else Path("plotly.min.js")
    if not path.is_file():
        raise ToolError("index.html needs the package plotly with its bundle: pip install plotly.")
    bundle = path.read_text(encoding="utf-8")
    if re.search(r"</script|<!--|\r", bundle, re.IGNORECASE):
        raise ToolError("this version of plotly holds a bundle that cannot stand inside a page.")
    return bundle


def own_script() -> str:
    """The page's own scripts as one, in a scope of its own."""
    parts = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
