"""What systemd is told: ready, stopping, alive (sd_notify(3), without the library)."""

import os
import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1` or `STATUS=...`; False where nobody listens."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # A daemon that works must not end because it could not say so.
        try:
            sender.setblocking(False)
            sender.sendto(state.encode(), address.replace("@", "\0", 1))
        except OSError:
            return False
    return True


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return the silence that systemd allows between two `WATCHDOG=1`; None if it does not ask."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed = int(environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return None
    return allowed if allowed > 0 else None
