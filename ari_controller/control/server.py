"""The endpoints of the control socket.

GET  /v1/status                      what the daemon knows of itself
POST /v1/calls/{call_id}/withdraw    {"reason": "...", "author": "..."}: withdrawal (N3)
GET  /v1/heartbeat                   a line every 0.25 s, for as long as the event loop lives

Errors are JSON: {"error": a stable word, "message": for a human}.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import structlog
from aiohttp import web

from ari_controller.control.listening import listen
from ari_controller.control.port import ControlPort

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.25
BEAT = b"beat\n"
MAX_BODY_BYTES = 8 * 1024
BODY_SECONDS = 5.0
# The rescue process needs one; more than a few are a mistake that must not cost memory.
MAX_HEARTBEATS = 8
CLOSE_SECONDS = 1.0

_CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WITHDRAWAL = {"reason": 500, "author": 100}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _BadRequest(Exception):
    """The body is not what the endpoint takes."""


class ControlServer:
    """Serves one `ControlPort` on the socket at `path`, while its context lasts.

    Entering it raises SocketError where the socket cannot be opened.
    """

    def __init__(self, path: Path, port: ControlPort) -> None:
        self._path = path
        self._port = port
        self._closing = asyncio.Event()
        self._heartbeats = 0
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as cleanup:
            listener = listen(self._path)
            cleanup.callback(listener.close)
            runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=CLOSE_SECONDS)
            cleanup.push_async_callback(runner.cleanup)
            # Runs first of the three: nobody must wait for a stream that only we can end.
            cleanup.callback(self._closing.set)
            await runner.setup()
            await web.SockSite(runner, listener.socket).start()
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._cleanup.aclose()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_json_errors])
        app.router.add_get("/v1/status", self._status)
        app.router.add_post("/v1/calls/{call_id}/withdraw", self._withdraw)
        app.router.add_get("/v1/heartbeat", self._heartbeat)
        app.on_response_prepare.append(_without_banner)
        return app

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(await self._port.status()))

    async def _withdraw(self, request: web.Request) -> web.Response:
        call_id = request.match_info["call_id"]
        given = await _withdrawal(request)
        known = _CALL_ID.fullmatch(call_id)
        done = await self._port.withdraw(call_id, **given) if known else None
        if done is None:
            return _error(404, "unknown_call", "there is no such call in hand")
        if not done:
            return _error(409, "not_recording", "this call is not being recorded")
        return web.json_response({"call_id": call_id, "withdrawn": True})

    async def _heartbeat(self, request: web.Request) -> web.StreamResponse:
        if self._heartbeats >= MAX_HEARTBEATS:
            return _error(503, "too_many", f"{MAX_HEARTBEATS} heartbeats are followed already")
        self._heartbeats += 1
        try:
            return await self._beat(request)
        finally:
            self._heartbeats -= 1

    async def _beat(self, request: web.Request) -> web.StreamResponse:
        """Write from the event loop itself: when it hangs, so do the lines."""
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        try:
            await response.prepare(request)
            while not self._closing.is_set():
                await response.write(BEAT)
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._closing.wait()
                except TimeoutError:
                    continue
        except ConnectionError:
            log.debug("heartbeat is no longer followed")
        return response


async def _withdrawal(request: web.Request) -> dict[str, str]:
    """Read and check the body of a withdrawal."""
    async with asyncio.timeout(BODY_SECONDS):
        body = await request.read()
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequest("the body must be JSON") from None
    if not isinstance(given, dict) or set(given) != set(_WITHDRAWAL):
        raise _BadRequest('the body must be {"reason": "...", "author": "..."}, and nothing else')
    return {key: _text(key, given[key], limit) for key, limit in _WITHDRAWAL.items()}


def _text(key: str, value: object, limit: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > limit or not text.isprintable():
        raise _BadRequest(f"{key} must be one line of text, of 1 to {limit} characters")
    return text


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadRequest as error:
        return _error(400, "bad_request", str(error))
    except TimeoutError:
        return _error(408, "too_slow", "the request did not come in time")
    except web.HTTPException as error:
        return _error(error.status, error.reason.lower().replace(" ", "_"), error.reason)
    except Exception as error:
        # One request's fault must not take the daemon, and with it the calls, along.
        log.exception("control request failed", error=type(error).__name__)
        return _error(500, "internal", "the daemon could not do this; its log says why")


def _error(status: int, word: str, message: str) -> web.Response:
    return web.json_response({"error": word, "message": message}, status=status)


async def _without_banner(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)
