"""Writes sound files and their manifest, each whole or not at all."""

import os
from pathlib import Path

import msgspec

from ari_controller.config.manifest import NAME, Manifest
from ari_controller.prompts.errors import PromptsError


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace a folder's manifest in one step; raise PromptsError."""
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
