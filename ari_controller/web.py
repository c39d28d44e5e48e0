"""What Prometheus and a health check may ask, over loopback HTTP: GET only, nothing personal."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
from aiohttp import hdrs, web
from prometheus_client.aiohttp import make_aiohttp_handler

from ari_controller.metrics import Metrics

Readiness = Callable[[], Mapping[str, bool]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECURITY_HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.CONTENT_SECURITY_POLICY: "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
}
STORE = "store"


class WebError(Exception):
    """The pages cannot be served; the message says why."""


def make_app(metrics: Metrics, readiness: Readiness) -> web.Application:
    """Make the application; `readiness` names what a recording needs and whether it is there."""

    async def healthz(request: web.Request) -> web.Response:
        # That this line runs shows that the loop answers; a lost Asterisk is no reason to restart.
        del request
        healthy = readiness().get(STORE, True)
        return _json({"healthy": healthy}, ok=healthy)

    async def readyz(request: web.Request) -> web.Response:
        del request
        checks = dict(readiness())
        down = [name for name, up in checks.items() if not up]
        return _json({"ready": not down, "down": down, "checks": checks}, ok=not down)

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", make_aiohttp_handler(metrics.registry), allow_head=False)
    app.router.add_get("/healthz", healthz, allow_head=False)
    app.router.add_get("/readyz", readyz, allow_head=False)
    app.on_response_prepare.append(_harden)
    return app


@asynccontextmanager
async def serve_web(
    host: str, port: int, metrics: Metrics, readiness: Readiness
) -> AsyncIterator[int]:
    """Serve while the context lasts; give the port, chosen by the system where `port` is 0."""
    runner = web.AppRunner(
        make_app(metrics, readiness), access_log=None, keepalive_timeout=15, handle_signals=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise WebError(f"http: cannot listen on {host} port {port}: {reason}") from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.update(_SECURITY_HEADERS)
    response.headers.popall(hdrs.SERVER, None)


def _json(body: dict[str, object], *, ok: bool) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=200 if ok else 503, content_type="application/json"
    )
