import os
from pathlib import Path

import pytest

from lab.asterisk_tree import NoAsteriskError
from lab.asterisk_tree import asterisk_root as find_asterisk_root


@pytest.fixture(scope="session")
def asterisk_root() -> Path:
    """Where the unpacked Asterisk is; REQUIRE_ASTERISK=1 turns its absence into a failure."""
    try:
        return find_asterisk_root()
    except NoAsteriskError as error:
        if os.environ.get("REQUIRE_ASTERISK") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
