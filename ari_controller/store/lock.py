"""The lock that makes one process the store's only writer."""

import fcntl
import os
from pathlib import Path

from ari_controller.store.errors import StoreError


class WriterLock:
    """An exclusive flock on `<store>.lock`, held until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, store: Path) -> "WriterLock":
        """Take the lock, or raise StoreError at once."""
        path = store.with_name(store.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                f"another process writes to this store: {store} (process {holder}); "
                "stop it or use its control socket"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; the file stays, so that two processes never lock different ones."""
        os.close(self._descriptor)
