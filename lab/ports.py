"""Ports for things that run side by side on one machine."""

import random
import socket

# Between Asterisk's RTP range (rtp.conf below) and the range that the kernel hands out.
FREE_PORTS = range(30000, 32768)
RTP_PORTS = range(12000, 30000)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that neither TCP nor UDP uses at the moment."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind((host, port))
                udp.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"every port from {FREE_PORTS.start} to {FREE_PORTS.stop - 1} on {host} is used")
