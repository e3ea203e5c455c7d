"""Structure checks whose failures are sentences: file, key, what was expected."""

import functools
import json
from pathlib import Path
from typing import Any

from invrbench.errors import InputError, ToolError

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema

    path = SCHEMAS / f"{name}.schema.json"
    if not path.is_file():
        raise ToolError(
            f"{path.name} is missing; run from a clone installed with `pip install -e .`."
        )
    schema = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _key(path: list[Any]) -> str:
    """``["commands", "fit", 0]`` as ``[commands].fit[0]``."""
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, int) or (depth == 0 and len(path) > 1):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text


def _sentence(error: Any) -> str:
    where = _key(list(error.absolute_path)) or "the file"
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(allowed))
        return f"{where} has unknown key {', '.join(unknown)}; allowed are {', '.join(allowed)}."
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))
        return f"{where} lacks {', '.join(missing)}."
    if error.validator == "enum":
        return f"{where} is {error.instance!r}; use {', '.join(map(str, error.validator_value))}."
    if error.validator == "const":
        return f"{where} is {error.instance!r}; this version reads {error.validator_value!r}."
    if error.validator == "type":
        return f"{where} is {error.instance!r}; expected {error.validator_value}."
    about = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return f"{where} is {error.instance!r}: {error.message}. {about}".rstrip()


def check_structure(
    value: Any, schema: str, *, where: str, error: type[InputError] = InputError
) -> None:
    """Refuse a document that does not follow ``workflow/schemas/<schema>.schema.json``.

    Args:
        value: the parsed document.
        schema: name of the schema.
        where: the file, as the person who wrote it knows it.
        error: what to raise.

    Raises:
        InputError: the first fault, as "file: key is …; allowed are …".
    """
    errors = sorted(_validator(schema).iter_errors(value), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        raise error(f"{where}: {_sentence(errors[0])}")
