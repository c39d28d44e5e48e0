"""panoramisk with its doors shut: nothing but allowed, checked actions leaves.

panoramisk 1.4 brings the message format and the matching of answers. One manager serves one
connection and never reconnects: what was in flight fails, and nothing is sent a second time.
"""

import asyncio
import codecs
import re
from collections.abc import Mapping
from typing import Any

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager
from panoramisk.message import Message

from ari_controller.asterisk.errors import Unavailable, UnsafeValue

ALLOWED_ACTIONS = frozenset(
    {
        "Login",
        "Ping",
        "MixMonitor",
        "StopMixMonitor",
        "MixMonitorMute",
        "Setvar",
        "DBGetTree",
        "DBDel",
    }
)
LONGEST_LINE_BYTES = 1000
"""Asterisk reads a header line into 1025 bytes."""
LONGEST_MESSAGE_CHARACTERS = 1024 * 1024

log = structlog.get_logger(__name__)

_KEY = re.compile(r"[A-Za-z]{1,40}")
_LINE_BREAKERS = re.compile(r"[\r\n\0]")


def check_action(headers: Mapping[str, str]) -> None:
    """Refuse what could be another action, another header, or more than Asterisk reads.

    Asterisk ends a header at CR LF: a value with one in it adds headers, such as a shell command.
    The UnsafeValue raised names the header, never its value.
    """
    if headers.get("Action") not in ALLOWED_ACTIONS:
        raise UnsafeValue("this AMI action is not one that the controller needs")
    for key, value in headers.items():
        if not _KEY.fullmatch(key):
            raise UnsafeValue("an AMI header's name is not made of letters")
        if not isinstance(value, str) or _LINE_BREAKERS.search(value):
            raise UnsafeValue(f"the AMI header {key} is not one line of text")
        try:
            size = len(f"{key}: {value}".encode())
        except UnicodeEncodeError as error:
            raise UnsafeValue(f"the AMI header {key} is not valid text") from error
        if size > LONGEST_LINE_BYTES:
            raise UnsafeValue(f"the AMI header {key} is longer than Asterisk reads")


class GuardedProtocol(AMIProtocol):  # type: ignore[misc]
    """The line protocol: checked actions, whole characters, bounded buffers, no replay."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with an empty decoder, so that no character is cut between two segments."""
        super().connection_made(transport)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def send(self, data: Mapping[str, str], as_list: bool | None = None) -> asyncio.Future[Any]:
        """Write one action: the only way out; UnsafeValue when it must not be sent."""
        check_action(data)
        action = Action(data, as_list=as_list)
        self.responses[action.id] = action
        future: asyncio.Future[Any] = action.future
        future.add_done_callback(lambda _: self.responses.pop(action.id, None))
        self.transport.write(str(action).encode())
        return future

    def data_received(self, data: bytes) -> None:
        """Take in a segment; a peer that does not speak AMI is dropped."""
        text = self._decoder.decode(data)
        if sum(map(len, self.queue)) + len(text) > LONGEST_MESSAGE_CHARACTERS:
            self.transport.abort()
            return
        try:
            super().data_received(text.encode())
        except Exception:  # whatever panoramisk trips over, it was no AMI message
            log.exception("ami_message_unreadable")
            self.transport.abort()

    def close(self) -> None:
        """Fail what is in flight: whether Asterisk has done it is not known."""
        for action in self.responses.values():
            if not action.future.done():
                action.future.set_exception(Unavailable("AMI was lost before the answer"))
                action.future.exception()  # seen, should its waiter be gone
        self.responses.clear()
        self.closed = True
        self.transport.abort()


class GuardedManager(Manager):  # type: ignore[misc]
    """One AMI connection; `lost` resolves, with the reason, when it is over."""

    def __init__(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(host=host, port=port, loop=loop, protocol_factory=GuardedProtocol)
        self.lost: asyncio.Future[str] = loop.create_future()

    async def open(self, timeout_seconds: float) -> None:
        """Connect; OSError when nobody listens there, TimeoutError when nobody answers."""
        async with asyncio.timeout(timeout_seconds):
            await self.connect()

    def connection_made(self, connecting: "asyncio.Task[object]") -> None:
        """Take over the connection; a failed attempt is for `open` to report, not to repeat."""
        if not connecting.cancelled() and connecting.exception() is None:
            super().connection_made(connecting)

    def connection_lost(self, exc: object) -> None:
        """Report the loss; connecting again is the client's business."""
        self.lose("Asterisk closed the AMI connection")

    def lose(self, reason: str) -> None:
        """End this connection for good."""
        self.close()
        if not self.lost.done():
            self.lost.set_result(reason)

    def ping(self) -> None:
        """Do nothing: the client pings, and looks at the answers."""

    def dispatch(self, event: Message) -> list[str]:
        """Drop events: none is asked for, and no callback may disturb the connection."""
        return []

    async def request(self, headers: Mapping[str, str], timeout_seconds: float) -> Any:
        """Send one action; return its answer, or the list of its answers."""
        if self.protocol is None or self.protocol.closed:
            raise Unavailable("AMI is not connected")
        sent = self.protocol.send(headers)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await sent
        except TimeoutError as error:
            raise Unavailable("AMI did not answer in time") from error
