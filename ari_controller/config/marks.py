"""YAML with its line numbers kept and its traps taken out.

Plain scalars are typed as a reader of the file expects: `true`, `false`, `null`, decimal numbers;
everything else is text as it stands (`no`, `0721234567`, `12:30`, `2026-01-31`). Duplicate keys,
anchors, aliases, tags, second documents, deep nesting and large files are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ari_controller.config.problems import ConfigError, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16

Loc = tuple[str | int, ...]

# Fifteen digits hold every E.164 number, so that each unquoted one is caught as a number.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
# A NUL or a lone surrogate breaks paths and hashes far from here.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(slots=True)
class Document:
    """Plain data with the place of every key and value; `problems` is what YAML alone shows."""

    file: str
    data: Any = None
    places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    key_places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, loc: Loc, reason: str, *, at_key: bool = False) -> Problem:
        """Make a problem at `loc`, or at the nearest thing around it that the file has."""
        if at_key and loc in self.key_places:
            line, column = self.key_places[loc]
        else:
            near = loc
            while near and near not in self.places:
                near = near[:-1]
            line, column = self.places.get(near, (1, 1))
        return Problem(self.file, line, column, ".".join(str(part) for part in loc), reason)


def parse(content: bytes, file: str) -> Document:
    """Read one YAML document; raise ConfigError where its structure cannot be known."""
    document = Document(file)
    if len(content) > MAX_BYTES:
        raise ConfigError([Problem(file, 1, 1, "", f"larger than {MAX_BYTES // 1024} KiB")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        place = (before.count(b"\n") + 1, column)
        raise ConfigError([Problem(file, *place, "", "not UTF-8 text: save it as UTF-8")]) from None
    try:
        _Builder(document, yaml.parse(text, Loader=yaml.SafeLoader)).build()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*document.problems, _syntax_problem(file, error)]) from None
    except yaml.reader.ReaderError as error:
        before_text = text[: error.position]
        column = len(before_text) - before_text.rfind("\n")
        reason = f"character U+{int(error.character):04X} is not allowed"
        place = (before_text.count("\n") + 1, column)
        raise ConfigError([Problem(file, *place, "", reason)]) from None
    except (ValueError, OverflowError) as error:
        # PyYAML passes on what int() and chr() say of "%YAML 1.<5000 digits>" and "\U7fffffff".
        reason = f"an escape or a directive is out of range ({type(error).__name__})"
        raise ConfigError([*document.problems, Problem(file, 1, 1, "", reason)]) from None
    return document


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = " ".join(part for part in (error.context, error.problem) if part)
    hint = '; quote keys such as "*" and "#"' if "alias" in reason or "flow" in reason else ""
    return Problem(file, line, column, "", f"not valid YAML: {reason}{hint}")


class _Builder:
    """Builds data from PyYAML's events, so that no constructor of PyYAML's ever runs."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def build(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, (), "a second document: leave out `---` here")
                self._document.data = self._node(next(self._events), ())

    def _node(self, event: Any, loc: Loc) -> Any:
        self._document.places[loc] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            self._stop(event, loc, 'aliases are not supported; a key `*` is written "*"')
        if event.anchor is not None:
            self._stop(event, loc, "anchors are not supported: write the value out")
        if event.tag is not None and event.tag != "!":
            self._stop(event, loc, f"tags such as {event.tag!r} are not supported")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, loc)
        if len(loc) >= MAX_DEPTH:
            self._stop(event, loc, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(loc)
        return self._mapping(loc)

    def _sequence(self, loc: Loc) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*loc, len(items))))
        return items

    def _mapping(self, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                self._stop(event, loc, "a key must be plain text")
            key = self._text(event, loc)
            if key in data:
                first = self._document.key_places[(*loc, key)][0]
                problem = self._problem(event, (*loc, key), f"written twice; first in line {first}")
                self._document.problems.append(problem)
                # Read to get past it, and thrown away: the first one holds.
                self._skip((*loc, key))
                continue
            self._document.key_places[(*loc, key)] = _place(event)
            data[key] = self._node(next(self._events), (*loc, key))
        return data

    def _skip(self, loc: Loc) -> None:
        aside = _Builder(Document(self._document.file), self._events)
        aside._node(next(self._events), loc)
        self._document.problems.extend(aside._document.problems)

    def _scalar(self, event: yaml.ScalarEvent, loc: Loc) -> Any:
        text = self._text(event, loc)
        plain = event.style is None and event.implicit[0]
        if not plain:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _text(self, event: yaml.ScalarEvent, loc: Loc) -> str:
        text: str = event.value
        if found := _UNPRINTABLE.search(text):
            reason = f"character U+{ord(found.group()):04X} is not allowed"
            self._document.problems.append(self._problem(event, loc, reason))
            return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
        return text

    def _problem(self, event: Any, loc: Loc, reason: str) -> Problem:
        line, column = _place(event)
        key = ".".join(str(part) for part in loc)
        return Problem(self._document.file, line, column, key, reason)

    def _stop(self, event: Any, loc: Loc, reason: str) -> None:
        raise ConfigError([*self._document.problems, self._problem(event, loc, reason)])


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
