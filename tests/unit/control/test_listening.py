import os
import socket
import stat
from pathlib import Path

import pytest

from ari_controller.control.errors import SocketError
from ari_controller.control.listening import MAX_PATH_BYTES, listen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "c.sock"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folder_and_socket_are_for_the_owner_and_the_group_whatever_the_umask(
    path: Path, umask: int
) -> None:
    old = os.umask(umask)
    try:
        listener = listen(path)
    finally:
        os.umask(old)
    assert mode(path.parent) == 0o750 & ~umask
    assert mode(path) == 0o660
    listener.close()
    assert not path.exists()


def test_the_socket_of_a_dead_process_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listener = listen(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


@pytest.mark.parametrize("backlog", [5, 0])
def test_the_socket_of_a_live_process_is_refused_even_with_its_queue_full(
    path: Path, backlog: int
) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as alive, socket.socket(socket.AF_UNIX) as client:
        alive.bind(str(path))
        alive.listen(backlog)
        client.connect(str(path))
        with pytest.raises(SocketError, match="another daemon listens"):
            listen(path)
    assert path.exists()


def test_a_file_that_is_no_socket_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(SocketError, match="is not a socket: remove it"):
        listen(path)
    assert path.read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_refused_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / ("x" * (MAX_PATH_BYTES - len(str(tmp_path))))
    with pytest.raises(SocketError, match=f"108 bytes long.*at most {MAX_PATH_BYTES}"):
        listen(path)


def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SocketError, match=r"cannot listen on .*; its folder must"):
        listen(tmp_path / "file" / "c.sock")


def test_closing_leaves_the_socket_that_another_process_put_in_our_place(path: Path) -> None:
    ours = listen(path)
    path.unlink()
    theirs = listen(path)
    ours.close()
    assert path.exists()
    theirs.close()
    assert not path.exists()
