"""REST over the events WebSocket (Asterisk 20.15, 21.10, 22.5 and later).

Asterisk answers in order on the socket that brings the events, so an event that a request caused
is ordered against its answer.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

from ari_controller.asterisk.ari_events import RestResponse
from ari_controller.asterisk.ari_http import TIMEOUT_SECONDS
from ari_controller.asterisk.ari_rest import Answer, AriRest, encode_path
from ari_controller.asterisk.errors import Unavailable, UnsafeValue

LONGEST_MESSAGE_BYTES = 32 * 1024
"""Asterisk closes the socket (1009) somewhere between 60 000 and 100 000 bytes."""


class AriWebSocket(AriRest):
    """The typed calls over one WebSocket; whoever reads it hands answers to `take_answer`."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        app: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(app)
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        self._numbers = itertools.count(1)
        self._pending: dict[str, asyncio.Future[Answer]] = {}
        self._lost = False

    def take_answer(self, response: RestResponse) -> None:
        """Hand an answer to the request that waits for it; others (late, unasked) are dropped."""
        waiting = self._pending.get(response.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(response.status_code, response.message_body))

    def lose(self) -> None:
        """Fail every request in flight, and all that come: the socket is gone."""
        self._lost = True
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("the ARI WebSocket was lost before the answer"))

    async def _request(
        self,
        method: str,
        segments: Sequence[str],
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        if self._lost:
            raise Unavailable("the ARI WebSocket is down")
        number = str(next(self._numbers))
        message = _encode(number, method, segments, query, body)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[number] = waiting
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._socket.send_str(message)
                return await waiting
        except TimeoutError as error:
            raise Unavailable("ARI did not answer in time on the WebSocket") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable("the ARI WebSocket is closing") from error
        finally:
            del self._pending[number]
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # seen: a send that failed leaves no one else to look


def _encode(
    number: str,
    method: str,
    segments: Sequence[str],
    query: Mapping[str, str] | None,
    body: object,
) -> str:
    request: dict[str, object] = {
        "type": "RESTRequest",
        "request_id": number,
        "method": method,
        "uri": encode_path(segments),
    }
    if query:
        request["query_strings"] = [{"name": k, "value": v} for k, v in query.items()]
    if body is not None:
        request["content_type"] = "application/json"
        request["message_body"] = msgspec.json.encode(body).decode()
    try:
        message = msgspec.json.encode(request)
    except UnicodeEncodeError as error:
        raise UnsafeValue("a value in an ARI request is not valid text") from error
    if len(message) > LONGEST_MESSAGE_BYTES:
        raise UnsafeValue(f"an ARI request of {len(message)} bytes is too long for the WebSocket")
    return message.decode()
