import socket

from lab.ports import FREE_PORTS, RTP_PORTS, free_port, is_free


def test_a_free_port_is_outside_of_asterisks_audio() -> None:
    assert free_port() in FREE_PORTS
    assert not set(FREE_PORTS) & set(RTP_PORTS)


def test_no_port_is_given_out_twice() -> None:
    assert len({free_port() for _ in range(200)}) == 200


def test_a_port_in_use_is_not_free() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            if kind is socket.SOCK_STREAM:
                taken.listen()
            assert not is_free(port, kind)
        assert is_free(port, kind)
