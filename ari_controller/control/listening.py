"""The Unix socket itself: its folder, its mode, and what to do with one that is there already."""

import contextlib
import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from ari_controller.control.errors import SocketError

MAX_PATH_BYTES = 107
FOLDER_MODE = 0o750
SOCKET_MODE = 0o660
BACKLOG = 32


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and the file that stands for it."""

    socket: socket.socket
    path: Path
    inode: int

    def close(self) -> None:
        """Close it, and remove its file unless another process has put its own there."""
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()


def listen(path: Path) -> Listener:
    """Bind the socket at `path`, mode 0660, in a folder made 0750 where it is missing.

    The socket that a dead process left behind is replaced; one that a live process listens on is
    not. Raises SocketError.
    """
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise SocketError(
            f"{path}: {length} bytes long, a Unix socket's path has at most {MAX_PATH_BYTES}:"
            " choose a shorter control.socket"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _remove_stale(path)
        # Linux takes the file's mode from the descriptor: it is never wider than this.
        os.fchmod(listener.fileno(), SOCKET_MODE)
        listener.bind(os.fspath(path))
        path.chmod(SOCKET_MODE)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return Listener(listener, path, path.lstat().st_ino)
    except OSError as error:
        listener.close()
        raise SocketError(
            f"cannot listen on {path}: {error.strerror}; its folder must belong to this user"
        ) from error
    except SocketError:
        listener.close()
        raise


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"{path} is not a socket: remove it, or choose another control.socket")
    if _somebody_listens(path):
        raise SocketError(
            f"another daemon listens on {path}: stop it, or give this one"
            " a control.socket of its own"
        )
    path.unlink(missing_ok=True)


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        result = probe.connect_ex(os.fspath(path))
    if result in (errno.ECONNREFUSED, errno.ENOENT):
        return False
    if result in (0, errno.EAGAIN, errno.EINPROGRESS):  # EAGAIN: alive, its queue is full
        return True
    raise OSError(result, os.strerror(result))
