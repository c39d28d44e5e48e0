"""The exit codes (docs/operations.md), and which error means which."""

from ari_controller.asterisk.errors import AsteriskError
from ari_controller.config.problems import ConfigError
from ari_controller.config.secrets import UnusableSecretError
from ari_controller.control.errors import (
    NotAnswering,
    NotRecording,
    NotRunning,
    Rejected,
    SocketError,
    UnknownCall,
)
from ari_controller.core.ledger import Broken
from ari_controller.prompts.errors import PromptsError
from ari_controller.recording.archive import ArchiveError
from ari_controller.recording.spool import SpoolError
from ari_controller.store.errors import StoreError
from ari_controller.web import WebError

OK = 0
FOUND_PROBLEMS = 1
USAGE = 2
BUG = 3
UNAVAILABLE = 69
# 70 is the daemon's: another client took over its ARI application (systemd must not restart it).
CONFIG = 78
INTERRUPTED = 130


class ProblemsFound(Exception):
    """A command did what it was asked and the answer is bad news; the message says it."""


_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, CONFIG),
    (UnusableSecretError, CONFIG),
    (ProblemsFound, FOUND_PROBLEMS),
    (Broken, FOUND_PROBLEMS),
    (PromptsError, FOUND_PROBLEMS),
    (UnknownCall, FOUND_PROBLEMS),
    (NotRecording, FOUND_PROBLEMS),
    (Rejected, FOUND_PROBLEMS),
    (StoreError, UNAVAILABLE),
    (SocketError, UNAVAILABLE),
    (NotRunning, UNAVAILABLE),
    (NotAnswering, UNAVAILABLE),
    (AsteriskError, UNAVAILABLE),
    (ArchiveError, UNAVAILABLE),
    (SpoolError, UNAVAILABLE),
    (WebError, UNAVAILABLE),
    (OSError, UNAVAILABLE),
)


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an expected error; None for a fault of the program."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), None)
