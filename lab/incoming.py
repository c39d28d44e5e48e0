"""A call that reaches the phone."""

from sipmessage import URI

from lab.call import Call, CallEndedError, CallState
from lab.dialog import Dialog
from lab.media import MediaStream
from lab.sip import GIVE_UP_SECONDS, T1, Incoming, NoAnswerError, SipWire, Spawn

REQUEST_TERMINATED = 487
BUSY_HERE = 486


class IncomingCall(Call):
    """A call that rings from the start, for whoever has it to answer or decline."""

    def __init__(
        self, wire: SipWire, spawn: Spawn, dialog: Dialog, media: MediaStream, invite: Incoming
    ) -> None:
        super().__init__(wire, spawn, dialog, media)
        self._invite = invite
        self._ack_received = False
        self.state = CallState.RINGING
        self._answer(invite, 100)

    @property
    def called_uri(self) -> URI:
        """The URI that was called."""
        return self._invite.request.uri

    def header(self, name: str) -> str | None:
        """Read a header of the INVITE."""
        return self._invite.request.headers.get(name)

    async def ring(self) -> None:
        """Send 180."""
        self._require_unanswered("ring")
        self._answer(self._invite, 180)

    async def progress(self, tone_hz: int | None = None) -> None:
        """Send 183 with SDP and early media."""
        self._require_unanswered("send early media")
        self._open_media(tone_hz)
        self._answer(self._invite, 183, self._media.local_sdp())
        self._move(CallState.EARLY)

    async def answer(self, tone_hz: int | None = None) -> None:
        """Send 200 until its ACK came; the tone goes on as it was if none is given."""
        self._require_unanswered("answer")
        self._open_media(tone_hz)
        interval, waited = T1, 0.0
        while waited < GIVE_UP_SECONDS:
            self._answer(self._invite, 200, self._media.local_sdp())
            if self.state is not CallState.UP:
                self._move(CallState.UP)
            try:
                await self._until(lambda: self._ack_received, interval, "get its ACK")
            except TimeoutError:
                waited += interval
                interval *= 2
            else:
                return
        raise NoAnswerError(f"{self!r}: no ACK within {waited:g} s")

    async def decline(self, code: int = BUSY_HERE) -> None:
        """Refuse with a final code of 300 or more."""
        self._require_unanswered("decline")
        self._answer(self._invite, code)
        self._end("us", code)

    async def hang_up(self) -> None:
        """Decline a call that is not up yet, BYE one that is."""
        if self.state is CallState.UP:
            await self._say_goodbye()
        elif self.state is not CallState.ENDED:
            await self.decline()

    def cancel(self) -> None:
        """Give up because the caller sent CANCEL; one that crossed our answer changes nothing."""
        if self.state in (CallState.RINGING, CallState.EARLY):
            self._answer(self._invite, REQUEST_TERMINATED)
            self._end("them", REQUEST_TERMINATED)

    def _acknowledged(self, sdp: bytes) -> None:
        self._ack_received = True
        super()._acknowledged(sdp)
        self._notify()

    def _open_media(self, tone_hz: int | None) -> None:
        if tone_hz is not None:
            self.set_tone(tone_hz)
        if self._sender is None and self._invite.request.body:
            self._connect(self._invite.request.body)

    def _require_unanswered(self, what: str) -> None:
        if self.state is CallState.ENDED:
            raise CallEndedError(f"{self!r} ended before it could {what}")
        if self.state is CallState.UP:
            raise RuntimeError(f"{self!r} is up already: too late to {what}")
