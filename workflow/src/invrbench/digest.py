"""Digests of values, files and code, and files that appear whole or not at all."""

import ast
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def digest_value(value: Any) -> str:
    """Digest of a JSON-able value, independent of the order of its keys.

    >>> digest_value({"a": 1, "b": 2}) == digest_value({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def md5_file(*paths: Path) -> str:
    """MD5 of the bytes of a file, or of several in a row, as hexadecimal text."""
    md5 = hashlib.md5(usedforsecurity=False)
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                md5.update(chunk)
    return md5.hexdigest()


def digest_tree(folder: Path) -> dict[str, str]:
    """MD5 of every regular file below ``folder``, by path relative to it."""
    return {
        path.relative_to(folder).as_posix(): md5_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _without_docstrings(tree: ast.AST) -> ast.AST:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def digest_code(text: str) -> str:
    """Digest of Python source as its syntax tree: comments, docstrings and layout do not count.

    >>> digest_code("x = 1  # one") == digest_code("x=1")
    True
    """
    tree = _without_docstrings(ast.parse(text))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:32]


def digest_files(files: Iterable[tuple[str, Path]]) -> str:
    """Digest of named files: Python files as syntax trees, all others as bytes."""
    parts = []
    for name, path in sorted(files):
        if path.suffix == ".py":
            parts.append([name, digest_code(path.read_text(encoding="utf-8"))])
        else:
            parts.append([name, md5_file(path)])
    return digest_value(parts)


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document whole; NaN and infinity are refused."""
    write_whole(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
