"""Damaged files end in this project's own errors: in time, and within the memory they justify."""

import json
import random
import resource
import signal
import struct
import sys
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import fuzz
import fuzz_targets
import pytest
from fuzz_mutations import mutated
from fuzz_targets import TARGETS, found
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inrkit.errors import CodecError
from invrbench.errors import ConditionsError, InvrError, SequenceError

IN_PROCESS = [name for name, target in TARGETS.items() if not target.is_native]
NATIVE = [name for name, target in TARGETS.items() if target.is_native]
EXTRA_BYTES = 1 << 30  # of address space, beyond what the process has at the start of a test
SECONDS = 20  # of one input, on the slowest machine
BOUNDED = settings(
    max_examples=80,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
needs_atheris = pytest.mark.skipif(
    not fuzz.has_atheris(), reason="needs atheris: pip install atheris"
)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """A reader that wants a gigabyte more, or never ends, fails its test and not the machine."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"one input took {SECONDS} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + EXTRA_BYTES, hard))
    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def hold(name: str, data: bytes, folder: Path) -> bool:
    """Give an input to a target; what breaks it is kept where the message says."""
    signal.alarm(SECONDS)
    try:
        return TARGETS[name](data, folder)
    except Exception:
        kept = folder / "broken.bin"
        kept.write_bytes(data)
        sys.stderr.write(f"{name} was broken by {kept} ({len(data)} bytes)\n")
        raise
    finally:
        signal.alarm(0)


# ---- all targets


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_real_file_is_taken(name: str, tmp_path: Path) -> None:
    refused = []
    for seed in TARGETS[name].seeds():
        try:
            TARGETS[name].run(seed, tmp_path)
        except TARGETS[name].allowed as error:
            refused.append(str(error))
    assert not refused


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_damaged_file_ends_in_an_error_of_ours(name: str, tmp_path: Path) -> None:
    seeds = TARGETS[name].seeds()

    @BOUNDED
    @given(st.integers(0, 1 << 32))
    def attack(number: int) -> None:
        hold(name, mutated(random.Random(number), seeds, TARGETS[name].language), tmp_path)

    attack()


@pytest.mark.parametrize("name", NATIVE)
def test_a_damaged_file_neither_ends_nor_holds_up_the_c_code_that_reads_it(name: str) -> None:
    target, rng = TARGETS[name], random.Random(7)
    seeds = target.seeds()
    inputs = [mutated(rng, seeds, target.language) for _ in range(1000)]
    assert fuzz.replay(name, [*seeds, *inputs]) == []


@pytest.mark.parametrize("name", [name for name in TARGETS if found(name)])
def test_what_once_broke_a_reader_does_so_no_more(name: str, tmp_path: Path) -> None:
    inputs = [path.read_bytes() for path in found(name)]
    if TARGETS[name].is_native:
        assert fuzz.replay(name, inputs) == []
    else:
        assert {hold(name, data, tmp_path) for data in inputs} <= {True, False}


@needs_atheris
@pytest.mark.parametrize("name", ["nnc", "package-zip"])
def test_coverage_guided_fuzzing_finds_nothing_in_a_few_seconds(name: str, tmp_path: Path) -> None:
    done = fuzz.attack(name, seconds=3, found=tmp_path)
    assert done.stood, f"{done}\n{done.log}"
    assert done.executions > 100
    assert done.edges > 20


@needs_atheris
def test_the_fuzzer_finds_a_planted_fault_and_keeps_what_shows_it(tmp_path: Path) -> None:
    done = fuzz.attack("planted", seconds=20, found=tmp_path)
    assert not done.stood
    assert done.broken_by is not None
    with pytest.raises(KeyError):
        fuzz_targets.PLANTED(done.broken_by.read_bytes(), tmp_path)
    assert "KeyError" in done.log


def test_a_replay_goes_on_behind_an_input_that_ends_the_process() -> None:
    told = fuzz.replay("planted", [b"fine", b"segv", b"fine", b"key", b"fine"])
    assert [line.split(":")[0] for line in told] == ["1", "3"]
    assert "ended the process with -11" in told[0]
    assert "KeyError" in told[1]


# ---- documents that are small and mean much

LAUGHS = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
MERGES = "".join(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}\n" for i in range(1, 10))
YAML = {
    "a list in a list, 200,000 times": ("[" * 200_000, "more than 64 levels"),
    "closed, too": ("[" * 200_000 + "]" * 200_000, "more than 64 levels"),
    "tables in tables": ("{a: " * 5_000, "more than 64 levels"),
    "a billion laughs": (f"a0: &a0 [lol]\n{LAUGHS}", "aliases stand for more than"),
    "a billion merged keys": (f"m0: &m0 {{a: 1}}\n{MERGES}", "aliases stand for more than"),
    "a list that holds itself": ("a: &a [*a]", "an alias holds itself"),
    "a table that holds itself": ("&a {b: {c: *a}}", "an alias holds itself"),
    "a call of Python": ("!!python/object/apply:os.system ['true']", "could not determine"),
    "bytes": ("a: !!binary aGFsbG8=", "it holds a bytes"),
    "a set": ("a: !!set {b, c}", "it holds a set"),
    "a date": ("a: 2001-01-01", "it holds a date"),
    "no date": ("a: 2001-99-99", "month must be in"),
    "an integer of 5000 digits": (f"a: {'9' * 5000}", "not usable YAML"),
    "an integer of 400 digits": (f"a: {'9' * 400}", "more than 300 digits"),
    "an empty integer": ("a: !!int ''", "not usable YAML"),
    "an empty truth value": ("a: !!bool ''", "not usable YAML"),
    "no number": ("a: .nan", "it holds nan"),
    "an endless number": ("a: 1.0e+400", "it holds inf"),
    "a key that is a list": ("? [a]\n: 1", "a key is"),
    "a key twice": ("a: 1\na: 2", "given twice"),
    "a NUL": ("a: b\x00c", "control characters are not allowed"),
    "two documents": ("a: 1\n--- \nb: 2", "expected a single document"),
    "half of a pair": ('a: "\\ud800"', "not usable YAML"),
}


@pytest.mark.parametrize("case", YAML)
def test_yaml_that_grows_nests_or_runs_is_refused_with_its_reason(
    case: str, tmp_path: Path
) -> None:
    from invrbench.ctc.documents import read_yaml

    text, said = YAML[case]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    signal.alarm(SECONDS)
    with pytest.raises(ConditionsError, match=r"x\.yaml is not usable YAML.*") as caught:
        read_yaml(path, ConditionsError)
    assert said in str(caught.value).replace("\n", " ")
    assert len(str(caught.value)) < 600


def test_aliases_that_people_write_are_taken(tmp_path: Path) -> None:
    from invrbench.ctc.documents import read_yaml

    path = tmp_path / "x.yaml"
    path.write_text("a: &a [1, 2]\nb: *a\nc: {d: &d {e: 1}}\nf: {<<: *d, g: *a}\n")
    value = read_yaml(path, ConditionsError)
    assert value == {"a": [1, 2], "b": [1, 2], "c": {"d": {"e": 1}}, "f": {"e": 1, "g": [1, 2]}}


TOML = {
    "lists in lists": ("a = " + "[" * 5000, "nested without end"),
    "an integer of 5000 digits": (f"schema = {'9' * 5000}", "is not TOML"),
    "no number": ("schema = nan", "it holds nan"),
    "a date": ("schema = 2001-01-01", "it holds a date"),
    "a count with a point": (
        fuzz_targets._BROUGHT + b"[resources.decode]\nthreads = 2.0",
        "threads is 2.0",
    ),
    "no UTF-8": (b"schema = 1 # \xff", "is not TOML"),
    "a byte order mark": (b"\xef\xbb\xbfschema = 1", "is not TOML"),
    "a key twice": ("schema = 1\nschema = 2", "is not TOML"),
    "half of a pair": ('name = "\\ud800"', "is not TOML"),
}


@pytest.mark.parametrize("case", TOML)
def test_a_manifest_of_odd_toml_is_refused_with_its_reason(case: str, tmp_path: Path) -> None:
    from invrbench.codec.manifest import read_manifest

    text, said = TOML[case]
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "codec.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InvrError, match=r"mine/codec\.toml") as caught:
        read_manifest(folder)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_grid_that_multiplies_to_millions_is_refused_before_it_is_laid_out(
    tmp_path: Path,
) -> None:
    from invrbench.codec.manifest import read_manifest

    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "decode.py").touch()
    values = ", ".join(map(str, range(500)))
    keys = "\n".join(f"{key} = [{values}]" for key in "abcd")
    text = fuzz_targets._BROUGHT.decode().replace('decode = ["', 'encode = ["x"]\ndecode = ["')
    (folder / "codec.toml").write_text(f"{text}\n[rate_points]\n{keys}\n")
    with pytest.raises(InvrError, match="gives 62500000000 points; at most 10000"):
        read_manifest(folder)["mine"].rate_points("quick")


JSON = {
    "lists in lists": (b"[" * 100_000, "more than 64 levels"),
    "65 levels": (b"[" * 66 + b"]" * 66, "more than 64 levels"),
    "NaN": (b'{"a": NaN}', "it holds NaN"),
    "1e400": (b'{"a": 1e400}', "it holds '1e400'"),
    "400 digits": (b"1" * 400, "more than 300 digits"),
    "half of a pair": (b'["\\ud800"]', "half of a surrogate pair"),
    "no UTF-8": (b'["\xff"]', "utf-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf-8"),
    "nothing": (b"", "Expecting value"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_of_odd_values_is_refused_with_its_reason(case: str) -> None:
    from invrbench.outside import parse_json

    data, said = JSON[case]
    with pytest.raises(ValueError) as caught:
        parse_json(data)
    assert said in str(caught.value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**20), 10**20)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
@BOUNDED
def test_json_of_finite_values_comes_back_as_it_was(value: Any) -> None:
    from invrbench.outside import parse_json

    assert parse_json(json.dumps(value).encode()) == value


RATES = ("1e999999999", "1/0", "-1", "", "nan", "inf", "9" * 5000, "1/3/5", " 25", "٣", "0x10")


@pytest.mark.parametrize("text", RATES)
def test_a_text_that_is_no_frame_rate_is_refused_at_once(text: str, tmp_path: Path) -> None:
    from inrkit.job import read_job
    from invrbench.outside import frame_rate
    from invrbench.video import y4m
    from invrbench.video.format import VideoFormat

    signal.alarm(SECONDS)
    with pytest.raises(ValueError, match=r"is no frame rate|divides by zero"):
        frame_rate(text)
    header = {"W": "16", "H": "8", "F": text}
    with pytest.raises(SequenceError, match=r"export it again|correct the entry"):
        y4m.check_header(header, VideoFormat("yuv420p", 16, 8, Fraction(25), 1), "x.y4m")
    job = json.loads(fuzz_targets._jobs()[0])
    job["source"]["fps"] = text
    (tmp_path / "job.json").write_text(json.dumps(job))
    with pytest.raises(CodecError, match="fps is"):
        read_job(tmp_path / "job.json")


@pytest.mark.parametrize(
    ("text", "rate"),
    [("25", Fraction(25)), ("30000/1001", Fraction(30000, 1001)), ("29.97", Fraction(2997, 100))],
)
def test_frame_rates_that_people_write_are_taken_exactly(text: str, rate: Fraction) -> None:
    from invrbench.outside import frame_rate

    assert frame_rate(text) == rate
    assert frame_rate(float(text) if "/" not in text else text) == rate


# ---- headers that announce more than follows


@BOUNDED
@given(
    st.lists(
        st.sampled_from("WHFIAC").flatmap(
            lambda tag: st.from_regex(r"[0-9:p]{0,12}", fullmatch=True).map(tag.__add__)
        )
        | st.text(max_size=20),
        max_size=8,
    ),
    st.binary(max_size=400),
)
def test_y4m_headers_of_any_words_are_read_or_refused(words: list[str], rest: bytes) -> None:
    import tempfile

    header = " ".join(["YUV4MPEG2", *words]).encode("utf-8", "replace")
    with tempfile.TemporaryDirectory() as folder:
        hold("y4m", header + b"\nFRAME\n" + rest, Path(folder))


@BOUNDED
@given(
    st.integers(0, 4),
    *[st.integers(0, 0xFFFF) | st.integers(0, 32)] * 3,
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 2000),
)
def test_raw_files_of_any_claimed_size_are_read_or_refused(
    pixels: int, width: int, height: int, frames: int, start: int, count: int, size: int
) -> None:
    import tempfile

    head = struct.pack("<BBHHHHH", pixels, 25, width, height, frames, start, count)
    with tempfile.TemporaryDirectory() as folder:
        hold("yuv", head + bytes(size), Path(folder))


def test_a_scene_of_a_trillion_instants_is_refused_before_they_are_counted(tmp_path: Path) -> None:
    from invrbench.video.miv import read_miv

    value = json.loads(fuzz_targets._miv()[0]) | {"Frames_number": 10**12}
    (tmp_path / "cameras.json").write_text(json.dumps(value))
    with pytest.raises(SequenceError, match=r"Frames_number 1000000000000; expected 1 to"):
        read_miv(tmp_path / "cameras.json", tmp_path)


def test_an_array_that_announces_a_petabyte_is_held_against_its_file(tmp_path: Path) -> None:
    from invrbench.video.llff import read_llff

    data = fuzz_targets._poses()[0].replace(b"(2, 17)", b"(9999999999999, 17)")
    head = data[:8] + struct.pack("<H", struct.unpack("<H", data[8:10])[0] + 12) + data[10:]
    (tmp_path / "poses_bounds.npy").write_bytes(head)
    with pytest.raises(SequenceError, match="bytes instead of 1360000000000004"):
        read_llff(tmp_path, frames=2)


def test_a_frame_larger_than_memory_is_not_asked_for_when_the_file_is_small(
    tmp_path: Path,
) -> None:
    from invrbench.video import y4m
    from invrbench.video.format import VideoFormat

    path = tmp_path / "x.y4m"
    path.write_bytes(b"YUV4MPEG2 W65536 H65536\nFRAME\nabc")
    with pytest.raises(SequenceError, match="ends in frame 0: 3 bytes instead of 6442450944"):
        list(y4m.frames(path, VideoFormat("yuv420p", 65536, 65536, Fraction(25), 1)))


@pytest.mark.parametrize("width", [0, -2, 1 << 17, 16.0, True, "16", None, [16]])
def test_a_side_that_no_picture_has_is_refused(width: Any) -> None:
    from invrbench.video.format import VideoFormat

    value = VideoFormat("rgb24", 16, 8, Fraction(25), 1).to_json() | {"width": width}
    with pytest.raises(SequenceError):
        VideoFormat.from_json(value)


# ---- archives

_NAMES = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        (
            *("../x", "/x", "a/../../x", "my-codec/../../x", "my-codec/" + "a" * 300, "C:x"),
            *("my-codec/" + "d/" * 600 + "x", "my-codec/PACKAGE.JSON", "my-codec/package.json/x"),
            *("my-codec/a\x00b", "my-codec/é", "my-codec/e\u0301", "my-codec/ ", "my-codec/."),
            "a\\b",
        )
    ),
    st.text("ab./ ", min_size=1, max_size=12).map(lambda name: f"my-codec/{name}"),
)


@BOUNDED
@given(st.lists(_NAMES, min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_any_names_write_inside_their_folder_or_not_at_all(names: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(folder / "made.zip", "w") as archive:
            for member, data in fuzz_targets._members(
                json.dumps(fuzz_targets._package_value()).encode()
            ).items():
                archive.writestr(member, data)
            for each in names:
                archive.writestr(zipfile.ZipInfo(each.encode("utf-8", "replace").decode()), b"x")
        data = (folder / "made.zip").read_bytes()
        (folder / "outside").mkdir()
        hold("package-zip", data, folder / "outside")
        assert {path.name for path in folder.iterdir()} == {"made.zip", "outside"}
