"""SIP over UDP: transactions, retransmissions and answers by Via (RFC 3261 sections 17 and 18)."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

from sipmessage import Address, CSeq, MediaType, Message, Parameters, Request, Response, Via

SocketAddress = tuple[str, int]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

T1 = 0.5
GIVE_UP_SECONDS = 8.0
DEFAULT_PORT = 5060
USER_AGENT = "lab phone"
PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    603: "Decline",
}


class NoAnswerError(TimeoutError):
    """The other side left a request without any response."""


def token() -> str:
    """Make a random tag, branch or Call-ID."""
    return secrets.token_hex(8)


def tagged(address: Address, tag: str) -> Address:
    """Return the address with this tag."""
    return Address(address.uri, address.name, address.parameters.replace(tag=tag))


def set_body(message: Request | Response, sdp: bytes) -> None:
    """Put SDP, or nothing, into a message."""
    message.body = sdp
    message.content_length = len(sdp)
    if sdp:
        message.content_type = MediaType("application/sdp")


@dataclass
class ClientTransaction:
    """A request that waits for its final response."""

    request: Request
    destination: SocketAddress
    on_response: Callable[[Response], None] | None
    final: asyncio.Future[Response]
    heard_back: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Incoming:
    """A request with the place that it came from and the key of its transaction."""

    request: Request
    source: SocketAddress
    key: tuple[str, ...]


class SipWire(asyncio.DatagramProtocol):
    """One SIP port. New requests go to `on_request`, each once, ACK always."""

    def __init__(self, on_request: Callable[[Incoming], None], spawn: Spawn) -> None:
        self._on_request = on_request
        self._spawn = spawn
        self._clients: dict[tuple[str | None, str], ClientTransaction] = {}
        self._answers: dict[tuple[str, ...], tuple[bytes, SocketAddress] | None] = {}
        self.address: SocketAddress = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn the port that was bound."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.address = transport.get_extra_info("sockname")

    def close(self) -> None:
        """Close the port."""
        self._transport.close()

    def datagram_received(self, data: bytes, source: SocketAddress) -> None:
        """Sort one datagram; blank ones keep NAT bindings alive and mean nothing."""
        if not data.strip(b"\r\n\0"):
            return
        message = Message.parse(data)
        if isinstance(message, Response):
            self._receive_response(message)
        else:
            self._receive_request(message, source)

    def start(
        self,
        request: Request,
        destination: SocketAddress,
        on_response: Callable[[Response], None] | None = None,
    ) -> ClientTransaction:
        """Send a request until it is heard; `on_response` gets each response, repeats too.

        The transaction's `final` raises NoAnswerError if nothing ever comes back.
        """
        self.add_via(request)
        final = asyncio.get_running_loop().create_future()
        transaction = ClientTransaction(request, destination, on_response, final)
        self._clients[request.via[0].parameters["branch"], request.method] = transaction
        self._spawn(self._repeat(transaction))
        return transaction

    def add_via(self, request: Request) -> None:
        """Complete a request with our Via, unless it has one already (CANCEL, ACK)."""
        if not request.via:
            host, port = self.address
            parameters = Parameters(rport=None, branch=f"z9hG4bK{token()}")
            request.via = [Via("UDP", host, port, parameters)]

    def send(self, message: Request | Response, destination: SocketAddress) -> None:
        """Send one datagram."""
        self._transport.sendto(bytes(message), destination)

    def answer(
        self, incoming: Incoming, code: int, *, contact: Address, tag: str, sdp: bytes = b""
    ) -> None:
        """Respond to a request; a repeated request gets the latest response again."""
        request = incoming.request
        response = Response(code, PHRASES.get(code, "Other"))
        top, *below = request.via
        destination = (incoming.source[0], top.port or DEFAULT_PORT)
        if "rport" in top.parameters:
            destination = incoming.source
            host, port = incoming.source
            seen = top.parameters.replace(received=host, rport=str(port))
            top = Via(top.transport, top.host, top.port, seen)
        response.via = [top, *below]
        response.from_address = request.from_address
        to_address = request.to_address
        if code > 100 and "tag" not in to_address.parameters:
            to_address = tagged(to_address, tag)
        response.to_address = to_address
        response.call_id = request.call_id
        response.cseq = request.cseq
        if request.record_route:
            response.record_route = request.record_route
        response.contact = [contact]
        response.headers.set("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, NOTIFY")
        response.headers.set("User-Agent", USER_AGENT)
        set_body(response, sdp)
        self._answers[incoming.key] = (bytes(response), destination)
        self.send(response, destination)

    async def _repeat(self, transaction: ClientTransaction) -> None:
        interval, waited = T1, 0.0
        while waited < GIVE_UP_SECONDS:
            self.send(transaction.request, transaction.destination)
            try:
                async with asyncio.timeout(interval):
                    await transaction.heard_back.wait()
            except TimeoutError:
                waited += interval
                interval *= 2
            else:
                return
        host, port = transaction.destination
        method = transaction.request.method
        if not transaction.final.done():
            transaction.final.set_exception(
                NoAnswerError(f"no answer to {method} from {host}:{port} in {waited:g} s")
            )

    def _receive_response(self, response: Response) -> None:
        key = (response.via[0].parameters["branch"], response.cseq.method)
        transaction = self._clients.get(key)
        if transaction is None:
            return
        transaction.heard_back.set()
        if response.code >= 300 and response.cseq.method == "INVITE":
            self._acknowledge_failure(transaction, response)
        if response.code >= 200 and not transaction.final.done():
            transaction.final.set_result(response)
        if transaction.on_response is not None:
            transaction.on_response(response)

    def _acknowledge_failure(self, transaction: ClientTransaction, response: Response) -> None:
        """Send the ACK that belongs to the INVITE's own transaction (RFC 3261 17.1.1.3)."""
        invite = transaction.request
        ack = Request("ACK", invite.uri)
        ack.via = invite.via[:1]
        ack.max_forwards = 70
        ack.from_address = invite.from_address
        ack.to_address = response.to_address
        ack.call_id = invite.call_id
        ack.cseq = CSeq(invite.cseq.sequence, "ACK")
        if invite.route:
            ack.route = invite.route
        set_body(ack, b"")
        self.send(ack, transaction.destination)

    def _receive_request(self, request: Request, source: SocketAddress) -> None:
        via = request.via[0]
        key = (via.parameters["branch"] or "", via.host, str(via.port), request.method)
        incoming = Incoming(request, source, key)
        if request.method == "ACK":
            self._on_request(incoming)
        elif key not in self._answers:
            self._answers[key] = None
            self._on_request(incoming)
        elif (given := self._answers[key]) is not None:
            self._transport.sendto(*given)
