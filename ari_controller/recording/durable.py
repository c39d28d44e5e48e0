"""Renames and removals that survive a power cut: the folder is synced as well as the file."""

import os
from pathlib import Path


def replace(source: Path, target: Path) -> None:
    """Move a file that is already synced onto `target`, in one step, on the same file system."""
    source.replace(target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file, or do nothing when it is not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
