"""MANIFEST.json beside the sound files: which text each one says, and its hash (N12)."""

from pathlib import Path

import msgspec

NAME = "MANIFEST.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sound file comes from. `text` is None for tones and music."""

    title: str
    version: str | None = None
    text: str | None = None
    made_by: str
    seconds: float
    sha256: str


class Manifest(msgspec.Struct):
    """The sound files of one folder that `prompts build` made, by path relative to it."""

    files: dict[str, Origin] = {}


class UnusableManifestError(Exception):
    """A manifest that cannot be read; the message names it."""


def read_manifest(folder: Path) -> Manifest:
    """Return a folder's manifest, empty where there is none; raise UnusableManifestError."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest({})
    except OSError as error:
        raise UnusableManifestError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableManifestError(f"{path}: is not a manifest ({error}): remove it") from None
