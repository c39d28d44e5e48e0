"""REST over HTTP: every Asterisk has it, and it needs no WebSocket."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from ari_controller.asterisk.ari_rest import Answer, AriRest, encode_path
from ari_controller.asterisk.errors import Unavailable, UnsafeValue

TIMEOUT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 5.0
"""Less than the 15 s after which Asterisk closes an idle connection, so that no request meets a
connection that is just being closed."""


def ari_root(url: str) -> str:
    """Return the address of ARI on the HTTP server at `url`, which may include its prefix."""
    root = url.rstrip("/")
    return root if root.endswith("/ari") else f"{root}/ari"


def open_session(user: str, password: str) -> aiohttp.ClientSession:
    """Open a session that authenticates by header, so that no secret stands in an address."""
    return aiohttp.ClientSession(
        headers={"Authorization": aiohttp.encode_basic_auth(user, password)},
        connector=aiohttp.TCPConnector(limit=20, keepalive_timeout=KEEP_ALIVE_SECONDS),
    )


class AriHttp(AriRest):
    """The typed calls over HTTP, in a session that the caller owns."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        app: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(app)
        self._session = session
        self._root = ari_root(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def _request(
        self,
        method: str,
        segments: Sequence[str],
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        address = f"{self._root}/{encode_path(segments)}"
        if query:
            address += f"?{_encode_query(query)}"
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            async with self._session.request(
                method,
                # Encoded already: yarl would turn %2F back into a path separator.
                URL(address, encoded=True),
                data=msgspec.json.encode(body) if body is not None else None,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, await response.read())
        except TimeoutError as error:
            raise Unavailable("ARI did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"ARI is not reachable: {type(error).__name__}") from error


def _encode_query(query: Mapping[str, str]) -> str:
    try:
        return urlencode(query, quote_via=quote, safe="")
    except UnicodeEncodeError as error:
        raise UnsafeValue("a value in an ARI request is not valid text") from error


@asynccontextmanager
async def open_ari_http(
    url: str, user: str, password: str, app: str, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncIterator[AriHttp]:
    """Open the typed calls without a WebSocket: no events, and nothing registered in Asterisk."""
    async with open_session(user, password) as session:
        yield AriHttp(session, url, app, timeout_seconds)
