"""A workbook recalculated by headless LibreOffice, cell by cell beside the values it was sent with.

LibreOffice keeps the cached values of a file by default; the profile made here orders it to compute
every formula on loading (a test proves it with a wrong cached value).
"""

import io
import shutil
import subprocess
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl, see the extra 'test'")

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
needs_office = pytest.mark.skipif(
    OFFICE is None, reason="needs LibreOffice (Debian package libreoffice-calc)"
)
TOLERANCE = 1e-9  # of max(1, |value|)

_ALWAYS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
 <item oor:path="/org.openoffice.Office.Calc/Formula/Load">
  <prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
"""


def recalculate(path: Path, folder: Path) -> Path:
    """The workbook with every formula computed anew, as a file in ``folder``."""
    profile = folder / "profile"
    if not profile.is_dir():
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(_ALWAYS, encoding="utf-8")
    out = folder / "recalculated"
    command = [
        str(OFFICE), f"-env:UserInstallation={profile.as_uri()}", "--headless",
        "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(out), str(path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = out / path.name
    assert found.is_file(), f"{done.stdout}\n{done.stderr}"
    return found


def load(path: Path, *, values: bool) -> Any:
    """A workbook by openpyxl: its cached values, or its formulas."""
    with warnings.catch_warnings():
        # openpyxl itself calls datetime.utcnow(), deprecated since Python 3.12
        warnings.simplefilter("ignore", DeprecationWarning)
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=values)


@cache
def formulas(path: Path) -> tuple[tuple[str, str, str, Any], ...]:
    """Sheet, cell, formula and cached value of every formula in a file, which stays as it is."""
    values = load(path, values=True)
    return tuple(
        (sheet.title, cell.coordinate, cell.value, values[sheet.title][cell.coordinate].value)
        for sheet in load(path, values=False)
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    )


def disagreements(path: Path, folder: Path) -> list[str]:
    """Formula cells whose value, computed anew, is not the one they were sent with."""
    anew = load(recalculate(path, folder), values=True)
    found = []
    for sheet, at, formula, sent in formulas(path):
        value = anew[sheet][at].value
        if not agree(sent, value):
            found.append(f"{sheet}!{at} {formula}: sent {sent!r}, computed {value!r}")
    return found


def agree(sent: Any, value: Any) -> bool:
    """Whether two values of a cell are equal, numbers to the tolerance."""
    if isinstance(sent, int | float) and isinstance(value, int | float):
        return abs(sent - value) <= TOLERANCE * max(1.0, abs(sent))
    return bool(sent == value and sent is not None)


def replaced(path: Path, member: str, old: str, new: str, to: Path) -> Path:
    """A copy of a workbook with a text of one of its parts replaced, once."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == member:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode(), 1)
            target.writestr(name, data)
    return to
