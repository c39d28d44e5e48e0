import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lab.asterisk_tree import NoAsteriskError, asterisk_root
from lab.phone import Phone
from lab.proxy import Proxy
from lab.site import Site, SitePorts
from lab.story import Cast, answer_as_agent
from tests.e2e.fast import fast_site, linked_site
from tests.e2e.lines import Lines, ready
from tests.e2e.quick import quick_site
from tests.e2e.stage import Stage

OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture(scope="session", autouse=True)
def asterisk() -> None:
    """Unpack Asterisk if need be; REQUIRE_ASTERISK=1 turns its absence into a failure."""
    try:
        asterisk_root()
    except NoAsteriskError as error:
        if os.environ.get("REQUIRE_ASTERISK") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@asynccontextmanager
async def phones(site: Site) -> AsyncIterator[Stage]:
    """Open the three phones of a site; the agent answers by itself."""
    async with (
        Phone(user="caller") as caller,
        Phone(port=site.ports.agent, user="agent", on_invite=answer_as_agent) as agent,
        Phone(port=site.ports.trunk, user="trunk") as trunk,
    ):
        yield Stage(site, Cast(site, caller, agent, trunk))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One Asterisk and one daemon for all tests that leave them as they were."""
    async with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def stage(shared_site: Site) -> AsyncIterator[Stage]:
    """The shared site with fresh phones."""
    async with phones(shared_site) as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_quick_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The quick site, for all tests that leave it as it was."""
    async with quick_site(tmp_path_factory.mktemp("quick")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def quick(shared_quick_site: Site) -> AsyncIterator[Stage]:
    """The shared quick site with fresh phones."""
    async with phones(shared_quick_site) as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_mortal_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A quick site for all tests that kill or stop its daemon."""
    async with quick_site(tmp_path_factory.mktemp("mortal")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def mortal(shared_mortal_site: Site) -> AsyncIterator[Stage]:
    """A site whose daemon a test may kill or stop: it runs again afterwards."""
    async with phones(shared_mortal_site) as stage:
        yield stage
    await shared_mortal_site.revive_daemon()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_fast_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The same with tones for notices and a number for each kind of policy."""
    async with fast_site(tmp_path_factory.mktemp("fast")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def fast_stage(shared_fast_site: Site) -> AsyncIterator[Stage]:
    """The fast site with fresh phones."""
    async with phones(shared_fast_site) as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_lines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lines]:
    """The fast site with a proxy on each line between daemon and Asterisk."""
    ports = SitePorts()
    async with (
        Proxy(ports.ari) as ari,
        Proxy(ports.ami) as ami,
        linked_site(tmp_path_factory.mktemp("linked"), ports, ari, ami) as site,
    ):
        yield Lines(site, ari, ami)


@pytest_asyncio.fixture(loop_scope="session")
async def lines(shared_lines: Lines) -> AsyncIterator[Lines]:
    """The site of the lines, whole again after each test."""
    yield shared_lines
    shared_lines.go_on()
    site = shared_lines.site
    if site.daemon is None or site.daemon.returncode is not None:
        await site.start_daemon()
    await ready(site)


@pytest.fixture
def own_stage(tmp_path: Path) -> OpenStage:
    """A site of a test's own, with changes to the shipped config, for what others would feel."""

    @asynccontextmanager
    async def open_stage(**changes: Any) -> AsyncIterator[Stage]:
        async with Site(tmp_path, changes=changes) as site, phones(site) as stage:
            yield stage

    return open_stage
