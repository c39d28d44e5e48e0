import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ari_controller.cli.main import execute
from tests.unit.cli.site import Site


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def first_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    site.fill()
    return site


@pytest.fixture
def site(first_site: Site, tmp_path: Path) -> Site:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def run(site: Site, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_it(*args: str) -> Ran:
        code = execute(["--config", str(site.config), *args])
        return Ran(code, *capsys.readouterr())

    return run_it
