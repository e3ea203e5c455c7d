"""YAML a person wrote, read strictly: unknown keys, wrong types and doubled keys are named."""

import json
from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from invrbench.ctc.names import suggest
from invrbench.errors import InputError, ToolError

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
_TYPES = {
    "object": "a mapping of keys",
    "array": "a list",
    "string": "a text (put it in quotes)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


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


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    path = SCHEMAS / f"{name}.schema.json"
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ToolError(
            f"{path} is missing; invrbench runs from its repository: pip install -e ."
        ) from None
    return Draft202012Validator(schema)


def check_document(value: Any, schema: str, where: str, error: type[InputError]) -> None:
    """Refuse a value that its schema does not admit, in one sentence.

    Args:
        value: what the file holds.
        schema: name of a file under workflow/schemas, without ``.schema.json``.
        where: opens the message, e.g. ``ctc/mini.yaml``.
        error: the class to raise.
    """
    problem = next(_validator(schema).iter_errors(value), None)
    if problem is not None:
        raise error(f"{where}: {_sentence(problem)}")


def _key(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text or "the file"


def _sentence(problem: Any) -> str:
    """One validation error in words: which key, what is wrong, what is allowed."""
    key, value, rule = _key(problem.absolute_path), problem.instance, problem.validator
    described = problem.schema.get("description", "")
    hint = f" ({described})" if described else ""
    if rule == "additionalProperties":
        allowed = list(problem.schema.get("properties", {}))
        unknown = [name for name in value if name not in allowed]
        return (
            f"{key} has the unknown key {unknown[0]!r}; {suggest(str(unknown[0]), allowed)}; "
            f"allowed keys: {', '.join(allowed)}."
        )
    if rule == "required":
        absent = [name for name in problem.validator_value if name not in value]
        return f"{key} lacks the key {', '.join(absent)}."
    if rule == "enum":
        return f"{key} is {value!r}; use {', '.join(map(str, problem.validator_value))}."
    if rule == "const":
        return f"{key} is {value!r}; expected {problem.validator_value!r}."
    if rule == "type":
        kinds = problem.validator_value
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return f"{key} is {value!r}; expected {' or '.join(_TYPES[kind] for kind in kinds)}{hint}."
    if rule == "uniqueItems":
        doubled = next(each for each in value if value.count(each) > 1)
        return f"{key} names {doubled!r} twice; remove one."
    return f"{key} is {value!r}, which is not allowed{hint or ': ' + problem.message}."
