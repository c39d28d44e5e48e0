from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from ari_controller.metrics import Metrics
from ari_controller.web import WebError, serve_web


class Daemon:
    """What the pages ask: the links and the store, as the test wants them."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.checks = {"ari": True, "ami": True, "store": True}
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    daemon = Daemon()
    async with serve_web("127.0.0.1", 0, daemon.metrics, lambda: daemon.checks) as port:
        daemon.port = port
        yield daemon


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_metrics_are_served_for_prometheus(
    daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    daemon.metrics.store_errors_total.inc()
    async with http.get(daemon.url("/metrics")) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "ari_controller_store_errors_total 1.0" in await response.text()
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with http.get(daemon.url("/metrics"), headers=accept) as response:
        assert (await response.text()).endswith("# EOF\n")


@pytest.mark.parametrize("missing", ["ari", "ami", "store"])
async def test_not_ready_names_what_is_down(
    daemon: Daemon, http: aiohttp.ClientSession, missing: str
) -> None:
    async with http.get(daemon.url("/readyz")) as response:
        assert response.status == 200
        assert await response.json() == {
            "ready": True,
            "down": [],
            "checks": {"ari": True, "ami": True, "store": True},
        }
    daemon.checks[missing] = False
    async with http.get(daemon.url("/readyz")) as response:
        assert response.status == 503
        body = await response.json()
        assert (body["ready"], body["down"]) == (False, [missing])


async def test_a_lost_asterisk_is_healthy_and_a_dead_store_is_not(
    daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    daemon.checks |= {"ari": False, "ami": False}
    async with http.get(daemon.url("/healthz")) as response:
        assert response.status == 200
    daemon.checks["store"] = False
    async with http.get(daemon.url("/healthz")) as response:
        assert response.status == 503
        assert await response.json() == {"healthy": False}


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing", "/%00/../etc"])
async def test_every_answer_is_hardened_and_tells_no_version(
    daemon: Daemon, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(daemon.url(path)) as response:
        assert "Server" not in response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_nothing_but_get_is_allowed(
    daemon: Daemon, http: aiohttp.ClientSession, method: str
) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        async with http.request(method, daemon.url(path)) as response:
            assert response.status == 405
            assert "Server" not in response.headers


async def test_a_port_in_use_is_a_clear_error(daemon: Daemon) -> None:
    with pytest.raises(WebError, match=rf"cannot listen on 127.0.0.1 port {daemon.port}: .*in use"):
        async with serve_web("127.0.0.1", daemon.port, daemon.metrics, dict):
            pass
