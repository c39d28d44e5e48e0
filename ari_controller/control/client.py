"""The other end of the control socket, for the commands and the rescue process."""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from ari_controller.control.errors import (
    NotAnswering,
    NotRecording,
    NotRunning,
    Rejected,
    UnknownCall,
)

TIMEOUT_SECONDS = 5.0
_ANSWERS = {"unknown_call": UnknownCall, "not_recording": NotRecording}


class ControlClient:
    """Asks the daemon that listens on `path`. Every call raises ControlError."""

    def __init__(self, path: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def status(self) -> dict[str, Any]:
        """Return what the daemon knows of itself."""
        return await self._ask("GET", "/v1/status")

    async def withdraw(self, call_id: str, author: str, reason: str) -> None:
        """Withdraw consent for a call in hand; raise UnknownCall or NotRecording."""
        body = {"reason": reason, "author": author}
        await self._ask("POST", f"/v1/calls/{quote(call_id, safe='')}/withdraw", body)

    async def heartbeat(self) -> AsyncGenerator[None, None]:
        """Yield at each line until the daemon ends the stream; a hung daemon yields nothing."""
        patience = aiohttp.ClientTimeout(total=None)
        async with self._request("GET", "/v1/heartbeat", patience) as response:
            if not response.ok:
                raise Rejected(f"the daemon gives no heartbeat: {response.status}")
            async for _line in response.content:
                yield

    async def _ask(
        self, method: str, path: str, body: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        async with self._request(method, path, self._timeout, body) as response:
            good, content = response.ok, await response.read()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NotAnswering(f"{self._path}: what answers there is no ari-controller daemon")
        if not good:
            raise _ANSWERS.get(str(answer.get("error")), Rejected)(str(answer.get("message")))
        return answer

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        patience: aiohttp.ClientTimeout,
        body: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        connector = aiohttp.UnixConnector(os.fspath(self._path))
        url = URL(f"http://control{path}", encoded=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=patience) as session,
                session.request(method, url, json=body, allow_redirects=False) as response,
            ):
                yield response
        except TimeoutError as error:
            raise NotAnswering(
                f"the daemon did not answer on {self._path}: it may hang; see its log"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise NotRunning(_why(self._path, error.os_error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise NotRunning(f"{self._path}: the connection to the daemon ended") from error


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: permission denied; become a member of the group that owns this socket"
    return f"no daemon listens on {path}: {error.strerror or error}; is ari-controller running?"
