"""Python files by their syntax trees: a digest without comments and layout, and their imports.

Reading trees takes most of a plan's time, so that what was found is remembered by the MD5 of each
text, for this user and this Python.
"""

import ast
import atexit
import functools
import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from invrbench.digest import digest_value, md5_file, write_json
from invrbench.errors import StorageError
from invrbench.outside import object_in

_FORM = md5_file(Path(__file__))[:8]  # what another version of this file found is not taken over
_MOST = 4000  # texts that are remembered


@dataclass(frozen=True)
class Code:
    """A Python text: its digest, and the dotted names it imports; relative ones keep their dots."""

    digest: str
    imports: tuple[str, ...]


def cache_folder() -> Path:
    """Where this user's machine keeps what it need not make again between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "invrbench"


class _Memory:
    """What is known of texts by their MD5, kept in a file of the user's cache."""

    def __init__(self) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        self._path = cache_folder() / f"code-{_FORM}-python-{version}.json"
        self._held = {md5: _code_of(kept) for md5, kept in object_in(self._path).items()}
        self._is_new = False

    def recall(self, md5: str) -> Code | None:
        """What is known of a text."""
        return self._held.get(md5)

    def learn(self, md5: str, code: Code) -> None:
        """Remember a text, in the file when this process ends."""
        self._held[md5] = code
        if not self._is_new:
            self._is_new = True
            atexit.register(self._keep)

    def _keep(self) -> None:
        known = [(md5, code) for md5, code in self._held.items() if code is not None][-_MOST:]
        try:
            write_json(self._path, {md5: [c.digest, *c.imports] for md5, c in known})
        except (OSError, StorageError):
            return  # a home that cannot be written to costs time alone


def _code_of(kept: object) -> Code | None:
    if isinstance(kept, list) and kept and all(isinstance(word, str) for word in kept):
        return Code(kept[0], tuple(kept[1:]))
    return None


@functools.cache
def _memory() -> _Memory:
    return _Memory()


def read_code(path: Path) -> Code:
    """What a Python file does and imports.

    Raises:
        SyntaxError: it is no Python.
        UnicodeDecodeError: it is not UTF-8.
    """
    status = path.stat()
    return _read_code(path, status.st_mtime_ns, status.st_size)


@functools.cache
def _read_code(path: Path, mtime_ns: int, size: int) -> Code:
    data = path.read_bytes()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    code = _memory().recall(md5)
    if code is None:
        tree = ast.parse(data.decode("utf-8"))
        imports = _imports(tree)
        code = Code(_digest(tree), imports)
        _memory().learn(md5, code)
    return code


def _imports(tree: ast.AST) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            joint = "" if base.endswith(".") or not base else "."
            names += [base, *(f"{base}{joint}{alias.name}" for alias in node.names)]
    return tuple(names)


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """The same tree, of which docstrings are cut."""
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
    return _digest(ast.parse(text))


def _digest(tree: ast.AST) -> str:
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()[:32]


def bare_code(text: str) -> str:
    """Python source of which nothing is left but what :func:`digest_code` sees.

    >>> bare_code("x = (1,   # one\\n     2)")
    'x = (1, 2)\\n'
    """
    tree = _without_docstrings(ast.parse(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body or [ast.Pass()]
    return ast.unparse(tree) + "\n"


def digest_files(files: Iterable[tuple[str, Path]]) -> str:
    """Digest of named files: Python files as syntax trees, all others as bytes."""
    return digest_value(
        [
            [name, read_code(path).digest if path.suffix == ".py" else md5_file(path)]
            for name, path in sorted(files)
        ]
    )
