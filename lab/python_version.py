"""Says in one line what a virtual environment lacks here. Runs on any Python 3."""

import sys

LOWEST, HIGHEST = (3, 11), (3, 13)


def main():
    """Return 0 when this Python will do."""
    if not LOWEST <= sys.version_info[:2] <= HIGHEST:
        this = "%d.%d" % sys.version_info[:2]
        print("Python 3.11 to 3.13 is needed, this is " + this + ": make PYTHON=python3.11 ...")
        return 1
    try:
        import ensurepip  # noqa: F401, PLC0415 - only whether it is there
    except ImportError:
        print("Python's venv is incomplete: apt install python3-venv")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
