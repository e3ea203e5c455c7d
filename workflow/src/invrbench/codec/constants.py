"""What a decoder's modules hold in their source: numbers and texts that could be learned."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FREE_DATA_BYTES = 1024  # of numbers and byte strings in one module: tables, masks, magic words
FREE_TEXT_BYTES = 4096  # of texts in one module: names and messages
_FLOAT_BYTES = 8
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Constants:
    """Bytes of the literals in one module, and the line of the statement that holds most."""

    data_bytes: int
    text_bytes: int
    line: int

    @property
    def is_much(self) -> bool:
        """Whether it is more than code needs."""
        return self.data_bytes > FREE_DATA_BYTES or self.text_bytes > FREE_TEXT_BYTES


def constants_of(paths: Iterable[Path]) -> dict[Path, Constants]:
    """The constants of Python modules that run together.

    Docstrings are no constants, unless one of the modules mentions ``__doc__``.
    """
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    reads_docstrings = any(map(_mentions_docstrings, trees.values()))
    return {
        path: _constants(tree, set() if reads_docstrings else _docstrings(tree))
        for path, tree in trees.items()
    }


def _constants(tree: ast.Module, ignored: set[int]) -> Constants:
    data = text = most = 0
    line = 1
    for statement in tree.body:
        held = [
            node.value
            for node in ast.walk(statement)
            if isinstance(node, ast.Constant) and id(node) not in ignored
        ]
        in_text = sum(len(value.encode()) for value in held if isinstance(value, str))
        in_data = sum(map(_size, held))
        if in_text + in_data > most:
            most, line = in_text + in_data, statement.lineno
        data, text = data + in_data, text + in_text
    return Constants(data, text, line)


def _size(value: object) -> int:
    """Bytes that a constant takes which is no text.

    >>> [_size(value) for value in (7, 2**64, 0.5, b"abc", "text", True, None)]
    [1, 9, 8, 3, 0, 0, 0]
    """
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return max(1, -(-value.bit_length() // 8))
    if isinstance(value, bytes):
        return len(value)
    return _FLOAT_BYTES * isinstance(value, float | complex)


def _docstrings(tree: ast.Module) -> set[int]:
    """Identities of the nodes that are docstrings."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def _mentions_docstrings(tree: ast.Module) -> bool:
    names = {"__doc__", "getdoc"}
    return any(
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.Constant) and node.value in names)
        for node in ast.walk(tree)
    )
