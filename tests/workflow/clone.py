"""A bench of one's own: a copy of the repository in which real Snakemake runs real codecs."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "pyproject.toml", "anchors", "ctc", "proposals", "workflow")

QUANTISER_TOML = """
schema = 1
name = "{name}"
summary = "Keeps the upper bits of every sample"
role = "{role}"
{extra}
[supports]
tracks = ["video"]
configurations = ["{configuration}"]
pixel_formats = ["yuv420p"]
[environment]
kind = "host"
[commands]
{fit}
encode = ["{{python}}", "{{codec}}/encode.py"]
decode = ["{{python}}", "{{codec}}/decode.py"]
[decoder]
files = ["decode.py"]
[rate_points]
{grid}
"""
ENCODE = """
import json, sys, zlib
job = json.load(open(sys.argv[1]))
bits = job["rate_point"]["parameters"]["bits"]
raw = open(job["source"]["path"], "rb").read()
kept = bytes(value >> (8 - bits) for value in raw)
open("bitstream.bin", "wb").write(bytes([bits]) + zlib.compress(kept, 9))
"""
DECODE = """
import json, sys, zlib
job = json.load(open(sys.argv[1]))
data = open(job["bitstream"], "rb").read()
bits = data[0]
half = (1 << (8 - bits)) // 2
frames = bytes((value << (8 - bits)) + half for value in zlib.decompress(data[1:]))
open(job["output"], "wb").write(frames)
"""
CONDITIONS = """
schema: 1
name: {name}
title: "Conditions of a test"
budget: seconds
families: [picture]
headline: {{anchor: base, metrics: [psnr_y_db]}}
anchors: [base]
bd_metrics: [psnr_y_db]
tests:
  - sequences: [bikes-tiny]
    configurations: [ai]
    codecs: [{codecs}]
"""


class Bench:
    """A copy of the repository, and commands run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(
                    source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
                )
            else:
                shutil.copy(source, root / name)

    @property
    def environment(self) -> dict[str, str]:
        """The copy's own package comes first; nothing of an outer run is passed on."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("INVRBENCH_")}
        env["PYTHONPATH"] = str(self.root / "workflow" / "src")
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        return env

    def add_codec(
        self,
        codec: str,
        *,
        role: str = "proposal",
        grid: str = "bits = [2, 3, 4, 5]",
        configuration: str = "any",
        extra: str = "",
        fit: str = "",
        encode: str = ENCODE,
        decode: str = DECODE,
        **files: str,
    ) -> Path:
        folder = self.root / ("anchors" if role == "anchor" else "proposals") / codec
        folder.mkdir()
        manifest = QUANTISER_TOML.format(
            name=codec, role=role, configuration=configuration, extra=extra, fit=fit, grid=grid
        )
        (folder / "codec.toml").write_text(manifest)
        (folder / "encode.py").write_text(encode)
        (folder / "decode.py").write_text(decode)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return folder

    def add_conditions(self, name: str, *codecs: str) -> None:
        text = CONDITIONS.format(name=name, codecs=", ".join(codecs))
        (self.root / "ctc" / f"{name}.yaml").write_text(text)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def snakemake(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.command("snakemake", "--cores", "8", *words)

    def invrbench(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.command("invrbench.cli", *words)

    def run_all(self, ctc: str, *config: str) -> subprocess.CompletedProcess[str]:
        return self.snakemake("all", "--config", f"ctc={ctc}", *config)

    def planned(self, ctc: str) -> dict[str, int]:
        """Jobs a dry run would execute, by rule."""
        done = self.snakemake("all", "-n", "--quiet", "rules", "--config", f"ctc={ctc}")
        assert done.returncode == 0, done.stderr
        counts = {}
        for line in (done.stdout + done.stderr).splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] not in ("total", "job"):
                counts[words[0]] = int(words[1])
        return counts

    def points(self, folder: str) -> list[dict[str, str]]:
        with (self.root / "reports" / folder / "points.tsv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))
