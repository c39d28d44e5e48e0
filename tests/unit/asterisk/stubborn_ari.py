"""An ARI that real ones resemble on bad days; the contract it keeps is tested on a real one.

It takes the filter over HTTP and holds the WebSocket open, but need not answer REST on it
(Asterisk 16 to 22.4 do not), may send anything, and may turn WebSockets away.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class StubbornAri:
    """The server's side, and what it saw."""

    def __init__(self) -> None:
        self.port = 0
        self.websockets: list[web.WebSocketResponse] = []
        self.asked: list[str] = []
        self.handshake_status: int | None = None
        self.info_status = 200
        self.info_body = '{"system": {"version": "16.28.0"}}'

    async def events(self, request: web.Request) -> web.StreamResponse:
        if self.handshake_status is not None:
            return web.Response(status=self.handshake_status)
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        self.websockets.append(websocket)
        async for _ in websocket:  # REST requests: ignored in silence
            pass
        return websocket

    async def rest(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.rel_url.raw_path}")
        if request.path.endswith("/info"):
            return web.Response(status=self.info_status, text=self.info_body)
        return web.json_response({})


@asynccontextmanager
async def stubborn_ari() -> AsyncIterator[StubbornAri]:
    ari = StubbornAri()
    app = web.Application()
    app.router.add_get("/ari/events", ari.events)
    app.router.add_route("*", "/{tail:.*}", ari.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ari.port = runner.addresses[0][1]
    try:
        yield ari
    finally:
        for websocket in ari.websockets:
            await websocket.close()
        await runner.cleanup()
