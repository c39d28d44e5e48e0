"""Ports for things that run side by side on one machine."""

import random
import socket

# Between Asterisk's RTP range (rtp.conf) and the range that the kernel hands out.
FREE_PORTS = range(30000, 32768)
RTP_PORTS = range(12000, 30000)
given_out: set[int] = set()


def is_free(port: int, kind: socket.SocketKind, host: str = "127.0.0.1") -> bool:
    """Tell whether nobody has this port, for SOCK_STREAM (TCP) or SOCK_DGRAM (UDP)."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # a port that only waits for late packets is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port on 127.0.0.1 that neither TCP nor UDP uses, another one at each call."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if (
            port not in given_out
            and is_free(port, socket.SOCK_STREAM)
            and is_free(port, socket.SOCK_DGRAM)
        ):
            given_out.add(port)
            return port
    raise OSError(f"all ports from {FREE_PORTS.start} to {FREE_PORTS.stop - 1} are in use")
