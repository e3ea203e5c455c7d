"""Structure checks whose failures are sentences: file, key, what was expected."""

import difflib
import functools
import json
from pathlib import Path
from typing import Any

from invrbench.errors import InputError, ToolError
from invrbench.outside import refuse_odd, shortened

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
_TYPES = {
    "object": "a table of keys",
    "array": "a list",
    "string": "a text (in quotes)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema

    path = SCHEMAS / f"{name}.schema.json"
    if not path.is_file():
        raise ToolError(
            f"{path.name} is missing; run from a clone installed with `pip install -e .`."
        )
    schema = json.loads(path.read_text(encoding="utf-8"))
    draft: Any = jsonschema.Draft202012Validator
    kinds = draft.TYPE_CHECKER.redefine("integer", _is_whole)
    extend: Any = jsonschema.validators.extend
    return extend(draft, type_checker=kinds)(schema)


def _is_whole(checker: Any, value: Any) -> bool:
    """Whether a value is an integer; JSON schema takes 2.0 for one, and no array has 2.0 rows."""
    del checker
    return isinstance(value, int) and not isinstance(value, bool)


def _key(path: list[Any], *, is_toml: bool, is_table: bool) -> str:
    """``["commands", "fit", 0]`` as ``[commands].fit[0]`` in TOML, else ``commands.fit[0]``."""
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, int) or (is_toml and depth == 0 and (is_table or len(path) > 1)):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text or "the file"


def _sentence(error: Any, *, is_toml: bool) -> str:
    value = error.instance
    is_table = isinstance(value, dict)
    where = _key(list(error.absolute_path), is_toml=is_toml, is_table=is_table)
    about = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    hint = f" ({about})" if about else ""
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(map(str, value)) - set(allowed))
        close = difflib.get_close_matches(unknown[0], allowed, n=1)
        nearest = f" (nearest: {close[0]})" if close else ""
        listed = f"{', '.join(allowed)}{nearest}"
        return f"{where} has unknown key {', '.join(unknown)}; allowed are {listed}."
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(value))
        return f"{where} lacks {', '.join(missing)}."
    if error.validator == "enum":
        # YAML reads a bare `no` as false, which no one needs to be told to write
        allowed = [str(each) for each in error.validator_value if each is not False]
        return f"{where} is {shortened(value)}; use {', '.join(allowed)}."
    if error.validator == "const":
        return f"{where} is {shortened(value)}; this version reads {error.validator_value!r}."
    if error.validator == "type":
        kinds = error.validator_value
        names = [_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return f"{where} is {shortened(value)}; expected {' or '.join(names)}{hint}."
    if error.validator == "uniqueItems":
        return f"{where} names {next(x for x in value if value.count(x) > 1)!r} twice; remove one."
    return f"{where} is {shortened(value)}, which is not allowed{hint or ': ' + error.message}."


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
    try:
        refuse_odd(value)
    except ValueError as problem:
        raise error(f"{where}: {problem}; correct it.") from None
    errors = sorted(_validator(schema).iter_errors(value), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        raise error(f"{where}: {_sentence(errors[0], is_toml=where.endswith('.toml'))}")
