"""YAML that a person wrote, and paths as messages show them."""

from pathlib import Path
from typing import Any

from invrbench.errors import InputError


def read_yaml(path: Path, error: type[InputError]) -> Any:
    """The value of a YAML file, read strictly.

    Raises:
        error: absent, unreadable, not YAML, or with a key given twice.
    """
    from invrbench.ctc.strict_yaml import parse_yaml  # PyYAML, which verbs of a run do not need

    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(f"{shown(path)} does not exist.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{shown(path)} cannot be read: {problem}") from None
    except ValueError as problem:
        raise error(f"{shown(path)} is not usable YAML: {problem}") from None


def shown(path: Path) -> str:
    """A path as messages show it: relative to the working directory where it lies below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
