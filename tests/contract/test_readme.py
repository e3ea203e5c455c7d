"""proposals/README.md says what the harness does: its example runs, its tables are complete."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.codec.checks import SCENE
from invrbench.codec.conformance import CHECKS, FAILED, PASSED, Verdict
from invrbench.codec.environment import clean_environment
from invrbench.codec.manifest import BUDGETS, read_manifest
from keys_table import keys_table

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "proposals" / "README.md").read_text(encoding="utf-8")
EXAMPLE = README.split("## A codec in twenty lines")[1].split("\n## ")[0]


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "proposals" / "steps"
    folder.mkdir(parents=True)
    (folder / "codec.toml").write_text(block("toml"))
    (folder / "codec.py").write_text(block("python"))
    return folder


def test_worked_example_passes_the_suite(
    example: Path, judge: Callable[..., dict[str, Verdict]]
) -> None:
    verdicts = judge(example)
    assert [v for v in verdicts.values() if v.mark == FAILED] == []
    for check in ("encode", "decode", "decode-twice", "encode-twice", "one-frame", "odd-size"):
        assert verdicts[check].mark == PASSED


def test_worked_example_is_twenty_lines() -> None:
    lines = [line for line in block("python").splitlines() if line.strip()]
    assert len(lines) <= 20


def test_table_of_keys_is_the_schemas() -> None:
    schema = json.loads((REPOSITORY / "workflow/schemas/codec.schema.json").read_text())
    _, after = README.split("<!-- keys: ")
    held = after.split("-->\n", 1)[1].split("<!-- end of keys -->")[0]
    assert held == keys_table(schema)


def test_table_of_variables_is_the_runners(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/x")
    manifest_path = example / "codec.toml"
    tools = '[environment]\nkind = "host"\ntools = ["ffmpeg"]\n\n[commands]'
    manifest_path.write_text(manifest_path.read_text().replace("[commands]", tools))
    given = clean_environment(
        read_manifest(example)["steps"], code="", home="", temporary="", threads=1, device="cuda"
    )
    table = README.split("### Environment variables")[1].split("\n### ")[0]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])
    }
    assert named == set(given)


def test_table_of_checks_names_every_check() -> None:
    table = README.split("## Checking")[1].split("\n## ")[0]
    named = [
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z-]+)`", line.split("|")[1])
    ]
    assert sorted(named) == sorted({name.removeprefix(SCENE) for name in CHECKS})


def test_every_budget_is_explained() -> None:
    section = README.split("### Fits, budgets, overrides")[1].split("\n### ")[0]
    assert all(f"`{budget}`" in section for budget in BUDGETS)


def test_fits_of_the_readme_resolve_in_the_order_it_says(example: Path) -> None:
    fits = re.search(r"```toml\n(\[fits.*?)```", README, re.DOTALL)
    assert fits is not None
    path = example / "codec.toml"
    grid = 'fit = ["s"]\nqp = [-46, -40]\n'
    text = path.read_text().replace("step = [64, 32, 16, 8]\n", grid)
    text = text.replace("[commands]", '[commands]\nfit = ["{python}", "{codec}/codec.py"]')
    path.write_text(f"{text}\n{fits[1]}")
    manifest = read_manifest(example)["steps"]

    def resolved(budget: str, *names: str) -> dict[str, object]:
        return manifest.fit_parameters("s", budget=budget, sequence="x", names=names)

    common = {"learning_rate": 1e-2}
    assert resolved("seconds") == {**common, "channels": 24, "steps": 40}
    assert resolved("quick", "still") == {**common, "channels": 32, "steps": 400}
    assert resolved("quick", "B", "Cactus", "Cactus@0+32")["steps"] == 900
    assert [point.id for point in manifest.rate_points("quick")] == [
        "s.quick_qp-46",
        "s.quick_qp-40",
    ]
