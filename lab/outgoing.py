"""A call that the phone makes."""

import asyncio

from sipmessage import CSeq, Request, Response

from lab.call import Call, CallState
from lab.dialog import Dialog
from lab.media import MediaStream
from lab.sip import ClientTransaction, NoAnswerError, SipWire, Spawn, set_body

REQUEST_TIMEOUT = 408
PROVISIONAL_SECONDS = 2.0


class OutgoingCall(Call):
    """A call from its INVITE on. `responses` are the codes that came, with their times."""

    def __init__(
        self,
        wire: SipWire,
        spawn: Spawn,
        dialog: Dialog,
        media: MediaStream,
        headers: dict[str, str],
    ) -> None:
        super().__init__(wire, spawn, dialog, media)
        self.responses: list[tuple[float, int]] = []
        self._cancelled = False
        self._ack: Request | None = None
        invite = dialog.request("INVITE", media.local_sdp())
        invite.headers.set("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, NOTIFY")
        for name, value in headers.items():
            invite.headers.set(name, value)
        self._invite: ClientTransaction = wire.start(invite, dialog.destination, self._respond)
        spawn(self._notice_silence())

    @property
    def status(self) -> int | None:
        """The latest response code, None before the first."""
        return self.responses[-1][1] if self.responses else None

    async def hang_up(self) -> None:
        """CANCEL a call that is not up yet, BYE one that is."""
        if self.state is CallState.ENDED:
            return
        if self.state is CallState.UP:
            await self._say_goodbye()
            return
        self._cancelled = True
        # RFC 3261 9.1: no CANCEL before the first provisional response.
        try:
            async with asyncio.timeout(PROVISIONAL_SECONDS):
                await self._invite.heard_back.wait()
        except TimeoutError:
            self._end("us")
            return
        if not self._invite.final.done():
            await self._wire.start(self._cancel(), self._invite.destination).final
        await self.ended()

    async def _notice_silence(self) -> None:
        try:
            await asyncio.shield(self._invite.final)
        except NoAnswerError:
            self._end("them", REQUEST_TIMEOUT)

    def _cancel(self) -> Request:
        invite = self._invite.request
        cancel = Request("CANCEL", invite.uri)
        cancel.via = invite.via
        cancel.max_forwards = 70
        cancel.from_address = invite.from_address
        cancel.to_address = invite.to_address
        cancel.call_id = invite.call_id
        cancel.cseq = CSeq(invite.cseq.sequence, "CANCEL")
        if invite.route:
            cancel.route = invite.route
        set_body(cancel, b"")
        return cancel

    def _respond(self, response: Response) -> None:
        self.responses.append((self._loop.time(), response.code))
        if response.code < 200:
            self._progress(response)
        elif response.code < 300:
            self._accept(response)
        else:
            self._end("us" if self._cancelled else "them", response.code)

    def _progress(self, response: Response) -> None:
        if response.code == 100 or self.state in (CallState.UP, CallState.ENDED):
            return
        self._dialog.learn(response)
        if response.body:
            self._connect(response.body)
        self._move(CallState.EARLY if self._sender is not None else CallState.RINGING)

    def _accept(self, response: Response) -> None:
        if self._ack is None:
            self._dialog.learn(response)
            sequence = self._invite.request.cseq.sequence
            self._ack = self._dialog.request("ACK", sequence=sequence)
            self._wire.add_via(self._ack)
            self._wire.send(self._ack, self._dialog.destination)
            if self._cancelled:  # the answer crossed our CANCEL
                self._spawn(self._say_goodbye())
            else:
                if response.body:
                    self._connect(response.body)
                self._move(CallState.UP)
        else:
            self._wire.send(self._ack, self._dialog.destination)
