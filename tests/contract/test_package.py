"""`invrbench pack` writes a codec folder that stands alone; what is no package is refused."""

import contextlib
import io
import json
import re
import shutil
import socket
import stat
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import contributions
import pytest
from contributions import CLIP, CODEC, PACKAGE, STILL, bitstream, edit_value, tampered
from invrbench.cli import main
from invrbench.cli.main import EXIT_FAILED
from invrbench.digest import md5_file
from invrbench.errors import RecordError
from invrbench.results.package import read_package


@pytest.fixture
def packed(contributed: Path, tmp_path: Path) -> Path:
    return shutil.copy(contributed / PACKAGE, tmp_path / PACKAGE)


def test_package_is_one_codec_folder_with_decoder_bitstreams_and_claims(packed: Path) -> None:
    names = set(zipfile.ZipFile(packed).namelist())
    streams = {bitstream(STILL, block) for block in (16, 8, 4, 2)}
    streams |= {bitstream(CLIP, block) for block in (8, 4)}
    tables = {name.replace(".bin", ".frames.tsv") for name in streams}
    files = {"codec.toml", "decode.py", "README.md", "origin.json", "package.json"}
    assert names == streams | tables | {f"{CODEC}/{name}" for name in files}


def test_packing_the_same_results_twice_gives_the_same_bytes(
    contributed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(contributed)
    again = tmp_path / "again.zip"
    assert main(["pack", CODEC, "-o", str(again)]) == 0
    assert md5_file(again) == md5_file(contributed / PACKAGE)


def test_claims_are_the_rows_of_the_report_and_the_anchors_behind_its_bd_rates(
    contributed: Path, packed: Path
) -> None:
    package = read_package(packed)
    assert (package.codec, package.conditions) == (CODEC, "mini")
    assert len(package.points) == 6
    for row in package.points:
        folder = contributed / "results" / (row["sequence"] + f"@{row['cut']}" * bool(row["cut"]))
        point = folder / CODEC / "any" / row["rate_point"] / "s0"
        assert row["bitstream_md5"] == md5_file(point / "bitstream.bin")
        assert row["decoded_md5"] == json.loads((point / "decode.json").read_text())["decoded_md5"]
        picture = json.loads((point / "metrics" / "picture.json").read_text())
        assert row["psnr_y_db"] == picture["values"]["psnr_y_db"]
    assert {row["codec"] for row in package.anchors} == {"rival"}
    assert len(package.anchors) == 4
    # the anchor is the same codec under another name, so that nothing is gained or lost
    (bd,) = [
        r
        for r in package.bd
        if r["metric"] == "psnr_y_db" and r["sequence"] == STILL and r["method"] == "pchip"
    ]
    assert bd["bd_rate_percent"] == pytest.approx(0, abs=1e-9)


def test_package_names_no_host_no_home_and_no_path_of_its_machine(
    contributed: Path, packed: Path
) -> None:
    with zipfile.ZipFile(packed) as archive:
        texts = [archive.read(name) for name in archive.namelist() if not name.endswith(".bin")]
    told = b"\n".join(texts).decode()
    for secret in (socket.gethostname(), str(Path.home()), str(contributed), sys.prefix):
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", told), secret


def test_package_holds_no_sample_of_a_source(contributed: Path, packed: Path) -> None:
    raw = (contributed / "results" / ".sources" / f"{CLIP}.raw").read_bytes()
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            assert raw[10_000:10_200] not in archive.read(name), name


def test_unzipped_folder_runs_as_an_ordinary_codec_under_another_id(
    packed: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipfile.ZipFile(packed).extractall(repository / "elsewhere")
    shutil.move(repository / "elsewhere" / CODEC, repository / "proposals" / "theirs")
    assert main(["check", "theirs"]) == 0
    said = capsys.readouterr().out
    assert "✓ theirs decode" in said
    assert "– theirs fit: its bitstreams are brought" in said


def test_decoder_of_a_package_runs_by_hand_as_its_readme_says(packed: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(packed).extractall(tmp_path)
    value = json.loads((tmp_path / CODEC / "package.json").read_text())
    *_, job, decode = (each["command"] for each in value["commands"])
    expected = value["commands"][-1]["what"].rpartition(" ")[2]
    (tmp_path / "job.json").write_text(job)
    line = decode.replace(" python ", f" {sys.executable} ")
    done = subprocess.run(
        line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == expected


def test_toolbox_of_a_codec_goes_along_so_that_no_other_version_is_used(
    contributed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "bench"
    shutil.copytree(contributed, root, symlinks=True)
    toolbox = root / "proposals" / "kit" / "src" / "kit"
    toolbox.mkdir(parents=True)
    (toolbox / "__init__.py").write_text("LEVELS = 256\n")
    folder = root / "proposals" / CODEC
    (folder / "decode.py").write_text(f"import kit\n{(folder / 'decode.py').read_text()}")
    manifest = folder / "codec.toml"
    manifest.write_text(
        manifest.read_text().replace("[supports]", 'packages = ["kit"]\n[supports]', 1)
    )
    with contextlib.chdir(root):
        for block in (8, 4):
            point = f"{CLIP}/{CODEC}/any/block{block}"
            contributions.code(point)
        assert main(["pack", CODEC, "--only", f"{CODEC}/{CLIP}"]) == 0
    package = read_package(root / PACKAGE)
    written = tomllib.loads(package.read("codec.toml").decode())
    assert "packages" not in written
    assert written["decoder"]["files"] == ["decode.py", "kit/__init__.py"]
    assert "LICENSE-kit" in package.members
    assert package.value["environment"]["libraries"].keys() == {"numpy"}


def test_points_that_are_not_done_are_listed_and_not_packed(
    contributed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "bench"
    shutil.copytree(contributed, root, symlinks=True)
    shutil.rmtree(root / "results" / CLIP / CODEC / "any" / "block8")
    folder = root / "results" / CLIP / CODEC / "any" / "block4" / "s0"
    key = json.loads((folder / "decode.json").read_text())["key"]
    (folder / "decode.json").unlink()
    failed = {"reason": f"no {Path.home()}/clips/x", "key": key}
    (folder / "decode.failed.json").write_text(json.dumps(failed))
    with contextlib.chdir(root):
        assert main(["pack", CODEC]) == 0
    package = read_package(root / PACKAGE)
    assert len(package.points) == 4
    left = {row["rate_point"]: row for row in package.left_out}
    assert {name: row["status"] for name, row in left.items()} == {
        "block8": "missing",
        "block4": "failed",
    }
    assert left["block4"]["reason"] == "no ~/clips/x"
    assert "bunny-mini any block8: missing, encode: not run" in package.read("README.md").decode()


def test_codec_without_any_done_point_is_refused_with_what_to_do(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "ctc" / "mini.yaml").write_text(contributions.CONDITIONS)
    for name in (CODEC, "rival"):
        main(["new", name])
    assert main(["pack", CODEC]) == EXIT_FAILED
    assert "run `snakemake --cores 8 all --config ctc=mini` first" in capsys.readouterr().err
    assert main(["pack", "my-codek"]) == EXIT_FAILED
    assert "nearest: my-codec" in capsys.readouterr().err


def test_lossless_bitstream_of_a_sequence_that_may_not_be_published_stays_at_home(
    contributed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "bench"
    shutil.copytree(contributed, root, symlinks=True)
    conditions = contributions.CONDITIONS.replace("block: [8, 4]", "block: [8, 1]")
    (root / "ctc" / "mini.yaml").write_text(conditions)
    with contextlib.chdir(root):
        contributions.code(f"{CLIP}/{CODEC}/any/block1")
        assert main(["pack", CODEC, "-o", "free.zip"]) == 0
        close_sequences(root)
        assert main(["pack", CODEC, "-o", "closed.zip"]) == 0
    assert bitstream(CLIP, 1).partition("/")[2] in read_package(root / "free.zip").members
    closed = read_package(root / "closed.zip")
    assert bitstream(CLIP, 1).partition("/")[2] not in closed.members
    assert bitstream(CLIP, 8).partition("/")[2] in closed.members
    assert "may not be published" in closed.left_out[0]["reason"]


def close_sequences(root: Path) -> None:
    """Say of every sequence that nothing of it may be shown."""
    linked = root / "ctc" / "sequences"
    entries = linked.resolve()
    linked.unlink()
    linked.mkdir()
    for path in entries.iterdir():
        if path.suffix == ".yaml":
            text = path.read_text().replace("may_publish: frames", 'may_publish: "no"')
            (linked / path.name).write_text(text)
        else:
            (linked / path.name).symlink_to(path)


def test_variant_and_seeds_are_packed_under_names_a_folder_can_have(
    contributed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "bench"
    lay_seeded(root)
    with contextlib.chdir(root):
        assert main(["source", STILL]) == 0
        for seed in (0, 1):
            fit = f"{STILL}/{CODEC}+odd/any/fits/s.seconds/s{seed}"
            assert main(["fit", fit]) == 0
            contributions.code(f"{STILL}/{CODEC}+odd/any/s.seconds_block8/s{seed}")
        assert main(["pack", f"{CODEC}+odd", "--seeds", "2", "--with-encoder"]) == 0
    package = read_package(root / f"{CODEC}-odd-mini.zip")
    assert (package.codec, package.folder) == (f"{CODEC}+odd", f"{CODEC}-odd")
    written = tomllib.loads(package.read("codec.toml").decode())
    assert written["name"] == f"{CODEC} + odd"
    assert written["curves"] == {"seed1": "*.s1"}
    files = {row["file"]: row["seed"] for row in package.points}
    stem = f"bitstreams/{STILL}/any/s.seconds_block8"
    assert files == {f"{stem}.bin": 0, f"{stem}.s1.bin": 1}
    encoder = tomllib.loads(package.read("encoder/codec.toml").decode())
    assert set(encoder["commands"]) == {"fit", "encode", "decode"}
    assert "variants" not in encoder
    assert package.has_encoder


def lay_seeded(root: Path) -> None:
    """A repository with a codec that has a fit and a variant."""
    root.mkdir()
    contributions.lay(root)
    with contextlib.chdir(root):
        main(["new", CODEC])
    folder = root / "proposals" / CODEC
    (folder / "fit.py").write_text(
        "import json, sys\nfrom pathlib import Path\n"
        "job = json.loads(Path(sys.argv[1]).read_text())\n"
        'Path("model").mkdir()\nPath("model/seed").write_text(str(job["seed"]))\n'
    )
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace('joins = ["mini"]', "")
    text = text.replace("block = [16, 8, 4, 2]", 'fit = ["s"]\nblock = [8]')
    text = text.replace("[commands]", '[commands]\nfit = ["{python}", "{codec}/fit.py"]')
    text += (
        "\n[fits.s.budgets.seconds]\nsteps = 1\n[variants.odd]\n[variants.odd.fits.s]\nodd = 1\n"
    )
    manifest.write_text(text)
    conditions = contributions.CONDITIONS.partition('  - {sequences: ["bunny')[0]
    conditions = conditions.replace(f"[rival, {CODEC}]", f"[{CODEC}+odd]")
    conditions = conditions.replace("rival", f"{CODEC}+odd")
    (root / "ctc" / "mini.yaml").write_text(conditions)


# ---- what is no package


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _extended(packed: Path, entry: zipfile.ZipInfo | str, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, data)
    return packed


@pytest.mark.parametrize(
    "name", [f"{CODEC}/../evil", "/etc/evil", "..", f"{CODEC}/a\\..\\b", f"{CODEC}//x", "C:/x"]
)
def test_path_outside_the_folder_is_refused(name: str, packed: Path) -> None:
    with pytest.raises(RecordError, match="leads outside of the package's folder"):
        read_package(_extended(packed, name))


@pytest.mark.parametrize("kind, word", [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device")])
def test_links_and_devices_are_refused(kind: int, word: str, packed: Path) -> None:
    entry = zipfile.ZipInfo(f"{CODEC}/odd")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(RecordError, match=f"odd is {word}"):
        read_package(_extended(packed, entry, b"/etc/passwd"))


def test_one_name_twice_is_refused_whatever_its_case(packed: Path) -> None:
    with pytest.raises(RecordError, match="twice"):
        read_package(_extended(packed, f"{CODEC}/DECODE.py"))


def test_file_that_is_also_a_folder_is_refused(packed: Path) -> None:
    with pytest.raises(RecordError, match="is a file and a folder"):
        read_package(_extended(packed, f"{CODEC}/decode.py/x"))


def test_other_methods_than_deflate_are_refused(packed: Path) -> None:
    entry = zipfile.ZipInfo(f"{CODEC}/odd")
    entry.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(RecordError, match="packages are deflated or stored"):
        read_package(_extended(packed, entry))


def test_second_folder_is_refused(packed: Path) -> None:
    with pytest.raises(RecordError, match="so it is no package"):
        read_package(_extended(packed, "other/x"))


def test_bomb_is_refused_before_it_is_unpacked(packed: Path) -> None:
    with pytest.raises(RecordError, match="which no code, table or bitstream does"):
        read_package(_extended(packed, f"{CODEC}/zeros", bytes(8 << 20)))


def test_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.zip"
    text.write_text("no archive")
    with pytest.raises(RecordError, match="is no zip archive"):
        read_package(text)
    with pytest.raises(RecordError, match="so it is no package"):
        read_package(_zip(tmp_path / "a.zip", {"x/y": b""}))
    with pytest.raises(RecordError, match="does not exist"):
        read_package(tmp_path / "absent.zip")


def test_truncated_archive_is_refused(packed: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(packed.read_bytes()[:-1000])
    with pytest.raises(RecordError, match="is no zip archive"):
        read_package(cut)


def test_newer_schema_says_to_update(packed: Path, tmp_path: Path) -> None:
    newer = tampered(
        packed,
        tmp_path / "newer.zip",
        lambda files: edit_value(
            files, lambda v: v.update(schema=2, harness={"version": "9.1", "surprise": 1})
        ),
    )
    with pytest.raises(RecordError, match=r"packed by a newer invrbench \(9.1, schema 2\)"):
        read_package(newer)


@pytest.mark.parametrize(
    "edit, told",
    [
        (lambda v: v.pop("points"), "lacks points"),
        (lambda v: v["points"][0].pop("decoded_md5"), "lacks decoded_md5"),
        (lambda v: v["points"][0].update(file="../x.bin"), "file is '../x.bin'"),
        (lambda v: v.update(codec="../x"), "codec is '../x'"),
        (lambda v: v.update(kind="recipe"), "is not that of a package"),
        (lambda v: v["points"][0].update(psnr_y_db="31.2"), "expected a number or null"),
        (lambda v: v["anchors"][0].update(bpp=10**400), "more than 300 digits"),
        (lambda v: v["anchors"][0].update(bpp=True), "expected a number or null"),
        (lambda v: v["points"][0].update(view_set=["x"]), "is no text and no number"),
        (lambda v: v.update(proponent="bell \x07"), "holds control characters"),
        (lambda v: v.update(proponent="half \ud800"), "half of a surrogate pair"),
        (lambda v: v["conditions"]["value"].update(headline=[]), "headline"),
    ],
)
def test_unusable_claims_are_refused_with_the_key(
    edit: Callable[..., None], told: str, packed: Path, tmp_path: Path
) -> None:
    odd = tampered(packed, tmp_path / "odd.zip", lambda files: edit_value(files, edit))
    with pytest.raises(RecordError, match=told.replace("..", r"\.\.")):
        read_package(odd)


def test_not_a_number_is_refused(packed: Path, tmp_path: Path) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        edit_value(files, lambda v: v["points"][0].update(psnr_y_db=float("nan")))

    odd = tampered(packed, tmp_path / "odd.zip", spoil)
    with pytest.raises(RecordError, match="it holds NaN, which is no number"):
        read_package(odd)


def test_damaged_file_is_told_by_its_name(packed: Path, tmp_path: Path) -> None:
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        entry = archive.getinfo(bitstream(CLIP, 4))
    start = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    data[start] ^= 0xFF
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bytes(data))
    package = read_package(broken)
    with pytest.raises(RecordError, match=r"block4\.bin is damaged"):
        package.md5_of(f"bitstreams/{CLIP}/any/block4.bin")


def test_package_reads_from_any_name_and_place(packed: Path, tmp_path: Path) -> None:
    odd = tmp_path / ("ü" * 40 + " – Beitrag.zip")
    packed.rename(odd)
    assert read_package(odd).codec == CODEC
    assert io.BytesIO(read_package(odd).read("decode.py")).readline()


def test_text_that_no_reader_takes_is_not_packed(
    contributed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(contributed)
    target = tmp_path / "x.zip"
    assert main(["pack", CODEC, "--proponent", "long " * 100, "-o", str(target)]) == EXIT_FAILED
    assert "proponent" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
