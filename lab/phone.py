"""A scripted SIP phone for tests and the demo: UDP, G.711, RFC 4733 keys, tones as voices."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from sipmessage import URI, Address

from lab.call import Call, CallEndedError, CallState, Ending
from lab.dialog import Dialog
from lab.g711 import CodecName
from lab.incoming import IncomingCall
from lab.media import MediaStream
from lab.outgoing import OutgoingCall
from lab.sip import Incoming, NoAnswerError, SipWire, tagged, token

__all__ = [
    "Call",
    "CallEndedError",
    "CallState",
    "Ending",
    "IncomingCall",
    "NoAnswerError",
    "OutgoingCall",
    "Phone",
]

OnInvite = Callable[[IncomingCall], Awaitable[None]]


class Phone:
    """One SIP port with any number of calls; `async with` opens it and hangs up what is left.

    A call that comes in goes to `on_invite` (in a task of its own) if there is one, otherwise to
    `next_call`. What fails in the phone's own tasks is raised when the phone closes.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        user: str = "phone",
        codec: CodecName = "ulaw",
        on_invite: OnInvite | None = None,
    ) -> None:
        self.host = host
        self.user = user
        self.codec: CodecName = codec
        self.on_invite = on_invite
        self.calls: list[Call] = []
        self._port = port
        self._dialogs: dict[tuple[str, str], Call] = {}
        self._invited: dict[str, IncomingCall] = {}
        self._waiting: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    @property
    def port(self) -> int:
        """The SIP port, once open."""
        return self._wire.address[1]

    @property
    def uri(self) -> str:
        """Where this phone can be called."""
        return f"sip:{self.user}@{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            _, self._wire = await loop.create_datagram_endpoint(
                lambda: SipWire(self._receive, self._spawn), local_addr=(self.host, self._port)
            )
        except OSError as error:
            raise OSError(
                f"phone {self.user}: cannot use UDP {self.host}:{self._port}: {error.strerror}; "
                "choose another port"
            ) from None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._hang_up_all()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for call in self.calls:
                call.abandon()
            self._wire.close()
        if self._failures and error is None:
            raise ExceptionGroup(f"phone {self.user} failed", self._failures)

    async def _hang_up_all(self) -> None:
        """Part politely from whoever still answers within 2 s."""
        live = [call for call in self.calls if call.state is not CallState.ENDED]
        farewells = await asyncio.gather(
            *(asyncio.wait_for(call.hang_up(), 2.0) for call in live), return_exceptions=True
        )
        self._failures += [
            farewell
            for farewell in farewells
            if isinstance(farewell, Exception) and not isinstance(farewell, TimeoutError)
        ]

    async def call(
        self,
        uri: str,
        tone_hz: int | None = None,
        *,
        user: str | None = None,
        name: str = "",
        headers: dict[str, str] | None = None,
        start_sequence: int | None = None,
    ) -> OutgoingCall:
        """Send an INVITE and return at once; `user` and `name` make the From.

        The tone is what the phone says once audio can flow.
        """
        target = URI.parse(uri)
        local = Address(URI("sip", self.host, user or self.user), name)
        dialog = Dialog(
            call_id=token(),
            local=tagged(local, token()),
            remote=Address(target),
            contact=self._contact(),
            target=target,
        )
        media = MediaStream(self.host, self.codec, start_sequence)
        media.set_tone(tone_hz)
        call = OutgoingCall(self._wire, self._spawn, dialog, media, headers or {})
        self._keep(call)
        return call

    async def next_call(self, within: float = 5.0) -> IncomingCall:
        """Wait for the next call that nobody has taken yet; TimeoutError if none comes."""
        try:
            async with asyncio.timeout(within):
                return await self._waiting.get()
        except TimeoutError:
            raise TimeoutError(f"phone {self.user}: no call within {within:g} s") from None

    def _contact(self) -> Address:
        return Address(URI("sip", self.host, self.user, port=self.port))

    def _keep(self, call: Call) -> None:
        self.calls.append(call)
        self._dialogs[call.key] = call

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failures.append(error)

    def _receive(self, incoming: Incoming) -> None:
        request = incoming.request
        tag = request.to_address.parameters.get("tag")
        call = self._dialogs.get((request.call_id, tag)) if tag else None
        if request.method == "CANCEL":
            self._cancel(incoming)
        elif call is not None:
            call.handle(incoming)
        elif request.method == "INVITE" and tag is None:
            self._ring(incoming)
        elif request.method == "OPTIONS":
            self._wire.answer(incoming, 200, contact=self._contact(), tag=token())
        elif request.method != "ACK":
            self._wire.answer(incoming, 481, contact=self._contact(), tag=token())

    def _cancel(self, incoming: Incoming) -> None:
        call = self._invited.get(incoming.request.via[0].parameters["branch"] or "")
        code = 481 if call is None else 200
        self._wire.answer(incoming, code, contact=self._contact(), tag=token())
        if call is not None:
            call.cancel()

    def _ring(self, incoming: Incoming) -> None:
        invite = incoming.request
        local = tagged(invite.to_address, token())
        dialog = Dialog.from_invite(invite, self._contact(), local)
        media = MediaStream(self.host, self.codec)
        call = IncomingCall(self._wire, self._spawn, dialog, media, incoming)
        self._keep(call)
        self._invited[invite.via[0].parameters["branch"] or ""] = call
        if self.on_invite is None:
            self._waiting.put_nowait(call)
        else:
            self._spawn(self._serve(self.on_invite, call))

    async def _serve(self, on_invite: OnInvite, call: IncomingCall) -> None:
        try:
            await on_invite(call)
        except CallEndedError:
            return  # the caller gave up first: a script for answering need not care
        except Exception:
            await call.hang_up()
            raise
