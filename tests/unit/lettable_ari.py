"""An ARI's HTTP side with channels that wait in Stasis, as the rescue process meets it.

What it answers was measured on Asterisk 22 (docs/asterisk.md): `channel_ids` also lists channels
that are only watched, `continue` on those is 409, and on a channel that is gone everything is 404.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

APP = "ari-controller"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LettableAri:
    """The channels, by where they are, and what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.in_stasis: set[str] = set()
        self.watched: set[str] = set()
        self.gone: set[str] = set()
        self.inbound: set[str] = set()
        self.variables: dict[str, dict[str, str]] = {}
        self.let_go: list[str] = []
        self.hung_up: list[str] = []
        self.asked: list[str] = []
        self.status: int | None = None

    async def application(self, _request: web.Request) -> web.Response:
        listed = sorted(self.in_stasis | self.watched | self.gone)
        if not listed:
            return web.json_response({"message": "Application not found"}, status=404)
        return web.json_response({"name": APP, "channel_ids": listed})

    async def set_variable(self, request: web.Request) -> web.Response:
        query = request.query
        variables = self.variables.setdefault(request.match_info["id"], {})
        variables[query["variable"]] = query["value"]
        return web.Response(status=204)

    async def channel(self, request: web.Request) -> web.Response:
        channel_id = request.match_info["id"]
        context = f"ari-controller-{'inbound' if channel_id in self.inbound else 'outbound'}"
        party = {"name": "", "number": ""}
        position = {"context": context, "exten": "s", "priority": 2}
        return web.json_response(
            {
                "id": channel_id,
                "name": "PJSIP/trunk-00000001",
                "state": "Up",
                "caller": party,
                "connected": party,
                "dialplan": position,
                "creationtime": "2026-01-01T00:00:00.000+0000",
            }
        )

    async def go_on(self, request: web.Request) -> web.Response:
        channel_id = request.match_info["id"]
        if channel_id not in self.in_stasis:
            return web.json_response({"message": "Channel not in Stasis application"}, status=409)
        self.in_stasis.remove(channel_id)
        self.watched.add(channel_id)
        self.let_go.append(channel_id)
        return web.Response(status=204)

    async def hang_up(self, request: web.Request) -> web.Response:
        self.in_stasis.discard(request.match_info["id"])
        self.hung_up.append(request.match_info["id"])
        return web.Response(status=204)

    def app(self) -> web.Application:
        @web.middleware
        async def first(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append(f"{request.method} {request.path}")
            if self.status is not None:
                return web.json_response({"message": "no"}, status=self.status)
            if request.match_info.get("id") in self.gone:
                return web.json_response({"message": "Channel not found"}, status=404)
            return await handler(request)

        app = web.Application(middlewares=[first])
        app.router.add_get(f"/ari/applications/{APP}", self.application)
        app.router.add_get("/ari/channels/{id}", self.channel)
        app.router.add_post("/ari/channels/{id}/variable", self.set_variable)
        app.router.add_post("/ari/channels/{id}/continue", self.go_on)
        app.router.add_delete("/ari/channels/{id}", self.hang_up)
        return app


@asynccontextmanager
async def lettable_ari() -> AsyncIterator[LettableAri]:
    """Serve on a free port while the context lasts."""
    ari = LettableAri()
    runner = web.AppRunner(ari.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ari.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield ari
    finally:
        await runner.cleanup()
