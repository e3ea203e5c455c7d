"""What a codec says of itself is held against what it does."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.cli import main
from invrbench.codec.conformance import FAILED, PASSED, SKIPPED, Verdict
from own_repository import change, write_conditions

Judge = Callable[..., dict[str, Verdict]]
ENCODED = '    Path("bitstream.bin").write_bytes(header + payload)\n'
DECODED = '__main__":\n    main()'


def note(folder: Path, verb: str, words: str) -> None:
    """Have a verb write notes; ``words`` is a Python expression, ``size`` the bitstream's size."""
    line = f'Path("notes.json").write_text(json.dumps({words}))\n'
    if verb == "encode":
        change(
            folder / "encode.py", ENCODED, f"{ENCODED}    size = len(header + payload)\n    {line}"
        )
    else:
        change(folder / "decode.py", DECODED, f"{DECODED}\n    {line}")


@pytest.mark.parametrize(
    ("words", "mark", "reason"),
    [
        ("{}", SKIPPED, "encode says nothing of where its bytes go (notes.json, bytes)"),
        ('{"bytes": {"header": 8, "payload": size - 8}}', PASSED, "bytes"),
        ('{"bytes": {"header": 8, "all": {"a": size - 9, "b": 1}}}', PASSED, "bytes"),
        (
            '{"bytes": {"header": 8, "payload": size}}',
            FAILED,
            "bytes of encode's notes.json adds up",
        ),
        (
            '{"bytes": {"all": size}, "bytes_by_tensor": {"a": size - 1}}',
            FAILED,
            "bytes_by_tensor of encode's notes.json adds up",
        ),
        ('{"bytes": {"a": -3, "b": size + 3}}', FAILED, "bytes.a is -3; give a whole number of"),
        ('{"bytes": {"a": str(size)}}', FAILED, "give a whole number of bytes"),
        ('{"bytes": {"a": True}}', FAILED, "bytes.a is True"),
        ('{"bytes": [size]}', FAILED, "give a whole number of bytes"),
    ],
)
def test_shares_of_bytes_add_up_to_the_bitstream(
    words: str, mark: str, reason: str, folder: Path, judge: Judge
) -> None:
    note(folder, "encode", words)
    verdict = judge(folder, only=("byte-shares",))["byte-shares"]
    assert (verdict.mark, reason in verdict.reason) == (mark, True), verdict


@pytest.mark.parametrize(
    ("coded", "built", "mark", "reason"),
    [
        ("{}", "{}", SKIPPED, "encode says nothing of its parameters"),
        ('{"parameters": 7}', "{}", SKIPPED, "decode says nothing of its parameters"),
        ('{"parameters": 7}', '{"parameters": 7}', PASSED, "7"),
        ('{"parameters": 7}', '{"parameters": 70}', FAILED, "encode says 7, decode says 70 param"),
        ('{"parameters": "7"}', '{"parameters": 7}', FAILED, "parameters is '7'; give a whole"),
    ],
)
def test_parameters_coded_are_the_parameters_built(
    coded: str, built: str, mark: str, reason: str, folder: Path, judge: Judge
) -> None:
    note(folder, "encode", coded)
    note(folder, "decode", built)
    verdict = judge(folder, only=("parameters",))["parameters"]
    assert (verdict.mark, reason in verdict.reason) == (mark, True), verdict


def test_a_fit_that_names_another_number_of_parameters_is_told(folder: Path, judge: Judge) -> None:
    change(folder / "codec.toml", "block = [", 'fit = ["s"]\nblock = [')
    change(folder / "codec.toml", "[commands]", '[commands]\nfit = ["{python}", "{codec}/fit.py"]')
    with (folder / "codec.toml").open("a") as file:
        file.write("\n[fits.s.budgets.seconds]\nsteps = 3\n")
    (folder / "fit.py").write_text(
        "import json\nfrom pathlib import Path\n"
        'Path("model").mkdir()\nPath("model/weights").write_text("w")\n'
        'Path("notes.json").write_text(json.dumps({"parameters": 5}))\n'
    )
    for verb in ("encode", "decode"):
        note(folder, verb, '{"parameters": 7}')
    verdict = judge(folder, only=("parameters",))["parameters"]
    assert verdict.mark == FAILED
    assert "fit says 5, encode says 7, decode says 7 parameters" in verdict.reason


def test_weights_in_a_comment_do_not_reach_the_second_decode(folder: Path, judge: Judge) -> None:
    with (folder / "decode.py").open("a") as file:
        file.write("# weights: 42\n")
    change(
        folder / "decode.py",
        DECODED,
        '__main__":\n    assert f"weights: {40 + 2}" in Path(__file__).read_text()\n    main()',
    )
    verdicts = judge(folder, only=("decode", "decode-twice"))
    assert verdicts["decode"].mark == PASSED
    assert verdicts["decode-twice"].mark == FAILED
    assert (
        "without its comments and docstrings the decoder does not"
        in verdicts["decode-twice"].reason
    )


@pytest.mark.parametrize("level", ["bubblewrap", "unshare", "none"], indirect=True)
def test_a_decoder_that_depends_on_its_folder_is_caught_inside_walls_too(
    level: str, folder: Path, judge: Judge
) -> None:
    tint = 'file.write(plane.astype(f"<u{FORMATS[pixel_format][0]}").tobytes())'
    hashed = "zlib.crc32(str(Path.cwd()).encode())"
    change(folder / "decode.py", tint, tint.replace("plane.", f"(plane ^ ({hashed} & 15))."))
    verdict = judge(folder, only=("decode-twice",))["decode-twice"]
    assert verdict.mark == FAILED
    assert "do not depend on the folder" in verdict.reason


def test_processes_left_by_fit_or_encode_are_a_fault(folder: Path, judge: Judge) -> None:
    start = '    __import__("subprocess").Popen(["sleep", "60"], start_new_session=True)\n'
    change(folder / "encode.py", ENCODED, ENCODED + start)
    verdict = judge(folder, only=("encode",))["encode"]
    assert verdict.mark == FAILED
    assert "encode ended and left 1 of its processes running (sleep)" in verdict.reason


GROW = """\
    found = [above / "proposals/mine/decode.py" for above in Path.cwd().parents]
    decoder = next(path for path in found if path.is_file())
    decoder.write_text(decoder.read_text() + f"WEIGHTS = {len(payload)}\\n")
"""


def test_a_point_whose_encode_changes_the_decoder_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "mine"]) == 0
    write_conditions(repository, "mine")
    change(repository / "proposals/mine/encode.py", ENCODED, ENCODED + GROW)
    assert main(["source", "bikes-tiny"]) == 0
    assert main(["encode", "bikes-tiny/mine/any/block4"]) != 0
    assert "while encode ran, decode.py changed, which the decoder owns" in capsys.readouterr().err
    folder = repository / "results/bikes-tiny/mine/any/block4/s0"
    assert not (folder / "encode.json").exists()
    assert (folder / "encode.failed.json").is_file()


@pytest.mark.parametrize("level", ["none"], indirect=True)
def test_a_report_says_of_every_point_that_it_was_not_isolated(
    level: str, repository: Path
) -> None:
    assert main(["new", "mine"]) == 0
    write_conditions(repository, "mine")
    assert main(["source", "bikes-tiny"]) == 0
    for point in ("block4", "block8"):
        name = f"bikes-tiny/mine/any/{point}"
        for words in (["encode", name], ["decode", name], ["measure-point", name, "picture"]):
            assert main(words) == 0
    assert main(["report"]) == 0
    folder = repository / "reports/mini"
    header, *lines = (folder / "points.tsv").read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    assert [row["sandbox"] for row in rows if row["status"] == "ok"] == ["not isolated"] * 2
    for name in ("summary.txt", "index.html"):
        assert "decoders not isolated" in (folder / name).read_text(), name
    for name in ("results.xlsx", "contribution.docx"):
        with zipfile.ZipFile(folder / name) as archive:
            texts = [archive.read(each) for each in archive.namelist() if each.endswith(".xml")]
        assert any(b"decoders not isolated" in text for text in texts), name
