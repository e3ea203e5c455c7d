"""YAML that a person wrote, read strictly, and paths as messages show them."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from invrbench.errors import InputError


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML that refuses a key given twice; plain PyYAML keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"line {line}: a key is a list or a mapping")
            if key in seen:
                raise yaml.YAMLError(f"line {line}: the key {key} is given twice")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(path: Path, error: type[InputError]) -> Any:
    """The value of a YAML file.

    Raises:
        error: absent, unreadable, not YAML, or with a key given twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{shown(path)} does not exist.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{shown(path)} cannot be read: {problem}") from None
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as problem:
        raise error(f"{shown(path)} is not usable YAML: {problem}") from None


def shown(path: Path) -> str:
    """A path as messages show it: relative to the working directory where it lies below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
