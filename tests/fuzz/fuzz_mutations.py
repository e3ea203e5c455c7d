"""Damage to real files: of their bytes, of their text, and of the values they hold."""

import json
import math
import random
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from invrbench.codec.toml import to_toml

MOST_BYTES = 1 << 18
# what people and programs write where something else is expected
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.0, 2.5, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan,
    1 << 31, 1 << 32, 1 << 63, 10**30, 10**400, -(10**30), "", " ", "0", "1e999999999", "1/0",
    "nan", "\x00", "\ud83d\ude00", "\ufeff", "a" * 300, "a" * 70_000, "../../x", "/", "/etc/passwd",
    "*", "[", "[!", "**" * 50, "fits", ".", "..", "a/b", "30000/1001", "no", "any", [], {}, [[]],
    [None], {"": None}, {"a": {"b": {"c": 1}}}, [1, "a", None], [0.0, math.nan],
)  # fmt: skip
TOKENS: dict[str, tuple[bytes, ...]] = {
    "yaml": (
        *(b"&a ", b"*a", b"<<: *a\n", b"<<: [*a, *a]\n", b"!!python/object:os.system ", b"!!set "),
        *(b"!!binary ", b"!!int ", b"!!float ", b"!!timestamp ", b"2001-99-99", b"2001-01-01"),
        *(b"0o9", b"0x", b"1:99", b".nan", b".inf", b"? ", b": ", b"- ", b"---\n", b"...\n"),
        *(b"%YAML 9.9\n", b"|\n", b">-\n", b"{", b"[", b"~", b"'", b'"', b"#", b"\t", b"=: 1\n"),
    ),
    "toml": (
        *(b"[[a]]\n", b"[a]\n", b"[fits]\n", b"a.b.c = 1\n", b"= 1\n", b"nan", b"inf", b"-0.0"),
        *(b"2001-01-01", b"07:00:00", b"2001-99-99", b"1e400", b"0x", b"1_000", b'"""', b"'''"),
        *(b"{a = 1}", b'"\\ud800"', b"\\u0000", b"[", b"{", b"1979-05-27T07:32:00Z", b'"\\x"'),
    ),
    "json": (
        *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"null", b'"\\ud800"', b'"\\u0000"'),
        *(b"{", b"[", b"}", b"]", b",", b":", b'"a":', b"[[[[[[[[", b"1E+9", b"/**/"),
    ),
    "tsv": (
        b"\t",
        b"\n",
        b"\r",
        b'"',
        b"nan",
        b"inf",
        b"-0.0",
        b"1e400",
        b"\t\t\t",
        b"1_0",
        b"--1",
    ),
    "y4m": (b"YUV4MPEG2 ", b" F1e999999999:1", b" F25:0", b" W-1", b" C420p16", b"FRAME\n", b" I"),
    "text": (b"/", b",", b"@", b"+", b"*", b"[", b"[!", b"9" * 5000, b"0+", b"s", b"fits", b"."),
    "binary": (),
}
_EVERYWHERE = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\x80", b"9" * 40, b"A" * 2000)
_MOST_BRACKETS, _MOST_TEXT = 2000, 1 << 15  # of YAML that is changed value by value
_LAST = 64  # a place near the start of a small value's range


def mutated(rng: random.Random, seeds: Sequence[bytes], language: str) -> bytes:
    """One of the seeds, damaged one to four times; now and then nothing but noise."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(200))
    data = rng.choice(seeds)
    if language in _READ and rng.random() < 0.6:
        damaged = mutated_document(rng, data, language)
        if damaged is not None:
            return damaged[:MOST_BYTES]
    tokens = TOKENS[language] + _EVERYWHERE
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_BYTE_MUTATIONS)(rng, data, tokens, seeds)
    return data[:MOST_BYTES]


# ---- bytes


def _flip(rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(_LAST, len(data)))
    value = rng.choice((data[at] ^ 1 << rng.randrange(8), 0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
    return data[:at] + bytes([value]) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    if rng.random() < 0.5:
        return data[:at]
    return data[:at] + data[rng.randint(at, min(len(data), at + 40)) :]


def _insert(rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(tokens) + data[at:]


def _replace(rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(tokens) + data[at + rng.randint(0, 12) :]


def _repeat(rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(data))
    piece = data[start : start + rng.randint(1, 60)]
    return data[:start] + piece * rng.choice((2, 3, 50, 2000)) + data[start:]


def _splice(
    rng: random.Random, data: bytes, tokens: Sequence[bytes], seeds: Sequence[bytes]
) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _swap_lines(
    rng: random.Random, data: bytes, tokens: Sequence[bytes], _: Sequence[bytes]
) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines)), rng.choice(lines))
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


_BYTE_MUTATIONS = (_flip, _cut, _insert, _replace, _repeat, _splice, _swap_lines)


# ---- values


def _as_json(value: Any) -> str:
    return json.dumps(value)


def _as_yaml(value: Any) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False))


def _from_yaml(text: str) -> Any:
    if text.count("[") + text.count("{") > _MOST_BRACKETS or len(text) > _MOST_TEXT:
        raise ValueError("PyYAML would take minutes, or the stack would end")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


_READ: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "json": (json.loads, _as_json),
    "yaml": (_from_yaml, _as_yaml),
    "toml": (tomllib.loads, to_toml),
}


def mutated_document(rng: random.Random, data: bytes, language: str) -> bytes | None:
    """A document with other values in some places; None if it is none or cannot be written."""
    read, write = _READ[language]
    try:
        value = read(data.decode())
        for _ in range(rng.randint(1, 3)):
            value = mutated_value(rng, value)
        return write(value).encode("utf-8", "surrogatepass")
    # a damaged document is no document of its language, which is no news
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, yaml.YAMLError):
        return None


def mutated_value(rng: random.Random, value: Any) -> Any:
    """The value with one place of it, at any depth, made odd, removed, doubled or nested."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return _in_table(rng, value, key)
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return _in_list(rng, value, at)
    return _odd(rng, value)


def _in_table(rng: random.Random, value: dict[Any, Any], key: Any) -> dict[Any, Any]:
    what = rng.random()
    if what < 0.75:
        return {**value, key: mutated_value(rng, value[key])}
    if what < 0.85:
        return {name: held for name, held in value.items() if name != key}
    if what < 0.95:
        return {**value, str(rng.choice(ODD_VALUES)): value[key]}
    return {**value, key: value[rng.choice(list(value))]}


def _in_list(rng: random.Random, value: list[Any], at: int) -> list[Any]:
    what = rng.random()
    if what < 0.75:
        return [*value[:at], mutated_value(rng, value[at]), *value[at + 1 :]]
    if what < 0.85:
        return [*value[:at], *value[at + 1 :]]
    if what < 0.95:
        return [*value, value[at]]
    return value * rng.choice((2, 3, 100))


def _odd(rng: random.Random, value: Any) -> Any:
    what = rng.random()
    if isinstance(value, int | float) and not isinstance(value, bool) and what < 0.4:
        return rng.choice((value + 1, -value, value * 10**6, float(value), value * 1.5, str(value)))
    if isinstance(value, str) and what < 0.3:
        return rng.choice(
            (value * 2, value[:-1], value.upper(), value + "\x00", [value], "é" + value)
        )
    if what < 0.45:
        return [value] * rng.choice((1, 2, 200))
    if what < 0.5:
        for _ in range(60):
            value = [value]
        return value
    return rng.choice(ODD_VALUES)
