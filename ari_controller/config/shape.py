"""Validates the parsed file against the models; says where each value that does not fit stands."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ari_controller.config import model
from ari_controller.config.marks import Document, Loc, parse
from ari_controller.config.model import ConfigFile
from ari_controller.config.problems import ConfigError, Problem

Context = Mapping[str, object]
_Model = TypeVar("_Model", bound=BaseModel)

_REASONS = {
    "missing": "is missing",
    "model_type": "must be a block of keys and values",
    "dict_type": "must be a block of keys and values",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
}
_KNOWN_KEYS = sorted(
    {
        key
        for shape in vars(model).values()
        if isinstance(shape, type) and issubclass(shape, BaseModel)
        for key in shape.model_fields
    }
)
_MAX_SHOWN = 60


def open_document(path: Path) -> tuple[Document, Context]:
    """Read and parse a file; the context makes its relative paths absolute."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError.of_file(path, f"cannot be read: {reason}") from None
    document = parse(content, str(path))
    return document, {"folder": path.absolute().parent}


def validate(document: Document, context: Context) -> tuple[ConfigFile | None, list[Problem]]:
    """Return the model, or None, and all problems of the document so far."""
    problems = list(document.problems)
    data = {} if document.data is None else document.data
    try:
        # As JSON, because strict mode takes lists for tuples and text for enums only there.
        return ConfigFile.model_validate_json(json.dumps(data), context=context), problems
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, problems + [_problem(document, one) for one in details]


def whole_items(
    document: Document, key: str, shape: type[_Model], context: Context
) -> Iterator[tuple[int, _Model]]:
    """Yield the items of a list that are valid in themselves, whatever the rest looks like."""
    for index, item in enumerate(_list(document, key)):
        try:
            yield index, shape.model_validate_json(json.dumps(item), context=context)
        except ValidationError:
            continue  # reported by `validate`


def section(document: Document, loc: Loc, shape: type[_Model], context: Context) -> _Model | None:
    """Return the block at `loc` if it is valid in itself; a missing one is an empty one."""
    block = document.data
    for part in loc:
        block = block.get(str(part), {}) if isinstance(block, dict) else None
    try:
        return shape.model_validate_json(json.dumps(block), context=context)
    except ValidationError:
        return None  # reported by `validate`


def declared(document: Document, key: str, name: str) -> list[str]:
    """Return the names that the items of a list bear, valid items or not."""
    items = [item for item in _list(document, key) if isinstance(item, dict)]
    return [item[name] for item in items if isinstance(item.get(name), str)]


def _list(document: Document, key: str) -> list[Any]:
    items = document.data.get(key) if isinstance(document.data, dict) else None
    return items if isinstance(items, list) else []


def _problem(document: Document, details: ErrorDetails) -> Problem:
    loc: Loc = details["loc"]
    if loc and loc[-1] == "[key]":
        return document.problem(loc[:-1], f"as a key: {_message(details)}", at_key=True)
    if details["type"] == "extra_forbidden":
        return document.problem(loc, _unknown_key(str(loc[-1])), at_key=True)
    return document.problem(loc, _reason(details))


def _unknown_key(key: str) -> str:
    if key == "password":
        return "passwords do not belong here: use password_file or credential"
    near = difflib.get_close_matches(key, _KNOWN_KEYS, n=1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")


def _reason(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if kind == "string_type":
        if value is None:
            return 'is empty; text is needed; "#" and "~" must be quoted'
        if isinstance(value, bool | int | float):
            text = json.dumps(value)
            return f'is a number or a word to YAML, not text: quote it, as "{text}"'
        return "must be text"
    if kind in _REASONS:
        return _REASONS[kind]
    message = _message(details)
    if isinstance(value, str):
        return f"{message}, not {value[:_MAX_SHOWN]!r}"
    return f"{message}, not {value}" if isinstance(value, int | float) else message


def _message(details: ErrorDetails) -> str:
    return details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
