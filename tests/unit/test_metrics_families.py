"""Families: their columns, their keys, and what planning has to import for them."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from invrbench.compare.table import POINT_COLUMNS
from invrbench.errors import SequenceError, UnsupportedError
from invrbench.metrics import external, families, handheld, perceptual, picture, render, view
from invrbench.report.metrics import METRICS
from raw_files import constant_video, video_format

PACKAGE = Path(families.__file__).parent
# no arithmetic in these: what a measurement is, and how LPIPS is asked for
OUTSIDE_KEYS = {"measurement.py"}


def test_every_column_is_computed_by_the_familys_module_in_that_order():
    modules = {
        "picture": picture,
        "ffmpeg": external,
        "perceptual": perceptual,
        "view": view,
        "render": render,
    }
    assert {name: family.columns for name, family in families.FAMILIES.items()} == {
        name: module.COLUMNS for name, module in modules.items()
    }


def test_every_column_is_in_the_tables_the_definitions_the_schema_and_measured_by_hand():
    columns = [column for family in families.FAMILIES.values() for column in family.columns]
    first, last = POINT_COLUMNS.index("psnr_y_db"), POINT_COLUMNS.index("fit_seconds")
    assert list(POINT_COLUMNS[first:last]) == [name for name in METRICS if name in columns]
    assert set(METRICS) == set(columns)
    schema = json.loads((PACKAGE.parents[2] / "schemas/conditions.schema.json").read_text())
    assert set(schema["$defs"]["column"]["enum"]) == set(columns)
    by_hand = {name for names in handheld.METRICS.values() for name in names}
    assert by_hand == set(columns) - set(render.COLUMNS)  # these need another point's pictures


def imported_modules(name):
    """Files of the package that a module imports, directly or not."""
    found, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        found.add(current)
        for node in ast.walk(ast.parse((PACKAGE / current).read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            if node.module == "invrbench.metrics":
                names = [f"{alias.name}.py" for alias in node.names]
            elif node.module.startswith("invrbench.metrics."):
                names = [f"{node.module.rsplit('.', 1)[1]}.py"]
            else:
                continue
            waiting += [name for name in names if name not in found]
    return found


@pytest.mark.parametrize("family", families.FAMILIES.values(), ids=lambda family: family.name)
def test_a_key_holds_every_module_that_can_change_a_value(family):
    assert imported_modules(family.modules[0]) - OUTSIDE_KEYS == set(family.modules)


def test_touching_ssim_changes_the_key_of_pictures_only(tmp_path, monkeypatch):
    before = {name: families.family_digest(name) for name in families.FAMILIES}
    for path in PACKAGE.glob("*.py"):
        text = path.read_text()
        if path.name == "ssim.py":
            text = text.replace("SIGMA = 1.5", "SIGMA = 1.6")
        (tmp_path / path.name).write_text(text + "\n# a comment\n")
    monkeypatch.setattr(families, "__file__", str(tmp_path / "families.py"))
    families.family_digest.cache_clear()
    after = {name: families.family_digest(name) for name in families.FAMILIES}
    families.family_digest.cache_clear()
    assert {name for name in before if before[name] != after[name]} == {"picture"}


def test_planning_imports_neither_opencv_nor_torch():
    code = (
        "import sys, invrbench.metrics.families, invrbench.metrics.handheld\n"
        "print(sorted({'cv2', 'torch', 'numpy', 'lpips', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_of_the_wrong_length_is_refused_with_both_lengths(tmp_path):
    layout = video_format("yuv420p", 64, 48, 2)
    video = constant_video(tmp_path / "v", layout, [(1, 1, 1)] * 2)
    short = constant_video(tmp_path / "short", layout, [(1, 1, 1)])
    with pytest.raises(SequenceError, match=r"short has 4608 bytes.*need 9216"):
        families.measure("picture", video, short)


def test_an_unknown_family_names_the_known_ones(tmp_path):
    video = constant_video(tmp_path / "v", video_format("yuv420p", 64, 48, 1), [(1, 1, 1)])
    with pytest.raises(UnsupportedError, match="picture, ffmpeg, perceptual, view"):
        families.measure("temporal", video, video)
