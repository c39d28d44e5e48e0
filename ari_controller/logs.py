"""Logging: one JSON object per line, UTC, with numbers and secrets taken out (N5).

Every line of every library goes through the same redaction. The rule errs on the side of silence:
a long digit run that is not clearly an id or an instant is masked.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
MAX_TEXT = 8192
MAX_DEPTH = 6
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

_SENSITIVE_KEYS = frozenset(
    {
        *("number", "from_number", "to_number", "ani", "dnid", "exten", "name", "connected"),
        *("caller", "caller_id", "callerid", "callee", "digit", "digits", "dtmf", "authorization"),
    }
)
_SENSITIVE_PARTS = ("password", "secret", "token", "credential")

_SEPARATOR = r"[ \t\u00a0\u2010-\u2013\-./()]{0,3}"
_SCRUB = re.compile(
    # What looks like a number and is none, to be kept: instants, Asterisk's uniqueid, UUIDs, hex
    # ids, the counter at the end of a channel's name.
    r"(?P<keep>"
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?(?![\d])"
    r"|(?<![\d+])1[6-9]\d{8}\.\d{1,7}(?![\d.])"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|(?<![0-9A-Za-z])(?=\d*[a-f])[0-9a-f]{16,64}(?![0-9A-Za-z])"
    r"|(?<=-)0000[0-9a-f]{4}(?![0-9A-Za-z])"
    r")"
    rf"|\+?\d(?:{_SEPARATOR}\d){{6,}}"
)


def configure(level: str = "info", stream: BinaryIO | None = None) -> None:
    """Send every log line to `stream` (default: standard output) from `level` on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Factory(stream or sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Foreign)]:
        root.removeHandler(handler)
    root.addHandler(_Foreign())
    # Below INFO, libraries log whole messages, passwords and all.
    root.setLevel(max(number, logging.INFO))
    logging.captureWarnings(True)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take numbers, keys and secrets out of an event; structlog's own fields stay."""
    del logger, method
    own = ("timestamp", "level", "logger")
    return {key: event[key] if key in own else _field(key, event[key], 0) for key in event}


def scrub(text: str) -> str:
    """Return text with everything that may be a telephone number masked."""
    text = text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
    return _SCRUB.sub(lambda found: found["keep"] or REDACTED, text)


def _field(key: str, value: Any, depth: int) -> Any:
    lower = key.lower()
    if value is not None and (
        lower in _SENSITIVE_KEYS or any(part in lower for part in _SENSITIVE_PARTS)
    ):
        return REDACTED
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if MIN_INTEGER <= value <= MAX_INTEGER else scrub(str(value))
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            items = ((str(key), one) for key, one in value.items())
            return {scrub(key): _field(key, one, depth + 1) for key, one in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [_value(one, depth + 1) for one in value]
    return scrub(str(value))


def _render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    del logger, method
    first = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event")}
    return msgspec.json.encode({**first, **event})


class _Lines(structlog.BytesLogger):
    """Writes lines, and never lets a full disk or a closed pipe take a call down."""

    def msg(self, message: bytes) -> None:
        with suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = error = err = critical = exception = fatal = msg
    failure = msg


class _Factory:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __call__(self, *args: str) -> _Lines:
        return _Lines(self._stream, name=args[0] if args else "ari_controller")


class _Foreign(logging.Handler):
    """Renders what libraries say by the standard library's logging in the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        log = structlog.get_logger(record.name)
        # A filtering logger formats only when there are arguments: a `%` in text is safe.
        log.log(record.levelno, text, exc_info=record.exc_info or None)
