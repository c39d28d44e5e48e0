"""Find, or unpack, the Asterisk that the lab runs."""

import os
import subprocess
from pathlib import Path

SETUP = Path(__file__).with_name("asterisk-setup.sh")
CACHE = Path(__file__).parent.parent / ".cache" / "asterisk"


class NoAsteriskError(Exception):
    """There is no Asterisk to run; the message is one line with the remedy."""


def asterisk_root(directory: Path | None = None) -> Path:
    """Return the root of an unpacked Asterisk, unpacking it first if needed (about 10 s, 94 MB).

    `directory` is where it is kept: AC_ASTERISK_ROOT, or else .cache/asterisk of the checkout.
    """
    given = os.environ.get("AC_ASTERISK_ROOT")
    if directory is None and given:
        root = Path(given) / "root"
        if not (root / "usr/sbin/asterisk").exists():
            raise NoAsteriskError(
                f"AC_ASTERISK_ROOT={given} has no root/usr/sbin/asterisk: unset it, or let "
                "lab/asterisk-setup.sh make that directory"
            )
        return root
    directory = directory or CACHE
    done = subprocess.run([SETUP, directory], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise NoAsteriskError(lines[-1] if lines else f"{SETUP.name} ended with {done.returncode}")
    return directory / "root"
