"""MANIFEST.json beside the sound files: which text each one says, and its hash (N12)."""

import os
from pathlib import Path

import msgspec

from ari_controller.prompts.errors import PromptsError

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
    """All sound files of one folder, by path relative to it."""

    files: dict[str, Origin] = {}


def read_manifest(folder: Path) -> Manifest:
    """Return a folder's manifest, empty where there is none; raise PromptsError."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest({})
    except OSError as error:
        raise PromptsError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise PromptsError(f"{path}: is not a manifest ({error}): remove it") from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace a folder's manifest in one step."""
    manifest.files = dict(sorted(manifest.files.items()))
    write_whole(folder / NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either the old one or the new one, never a part; raise PromptsError."""
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise PromptsError(f"{path}: cannot be written: {error.strerror}") from None
