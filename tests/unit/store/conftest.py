import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ari_controller.store.engine import Store
from ari_controller.store.journal import Journal

NOW = 1_769_853_600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, lambda: NOW, os.urandom)
