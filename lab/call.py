"""What both kinds of call share: state, waiting, audio, digits, and requests inside the dialog."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import StrEnum
from typing import Literal, NamedTuple

from sipmessage import URI

from lab.dialog import Dialog
from lab.heard import Heard
from lab.media import MediaStream
from lab.sip import Incoming, SipWire, Spawn


class CallState(StrEnum):
    """How far a call got, seen from the phone."""

    CALLING = "calling"
    RINGING = "ringing"
    EARLY = "early"
    UP = "up"
    ENDED = "ended"


class Ending(NamedTuple):
    """Who ended a call, when (loop time); `code` is the final SIP code if it was never up."""

    by: Literal["us", "them"]
    code: int | None
    at: float


class CallEndedError(Exception):
    """The call ended before what was waited for could happen."""


class Call(ABC):
    """One call of a phone. Times are the event loop's."""

    def __init__(self, wire: SipWire, spawn: Spawn, dialog: Dialog, media: MediaStream) -> None:
        self._wire = wire
        self._spawn = spawn
        self._dialog = dialog
        self._media = media
        self._sender: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.state = CallState.CALLING
        self.ending: Ending | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.remote_uri}, {self.state}>"

    @property
    def heard(self) -> Heard:
        """The audio and digits that arrived, early media included."""
        return self._media.heard

    @property
    def key(self) -> tuple[str, str]:
        """What the dialog is known by: Call-ID and our tag."""
        return self._dialog.call_id, self._dialog.tag

    @property
    def remote_uri(self) -> URI:
        """The other side's URI: whom we called, or the From of who called us."""
        return self._dialog.remote.uri

    @property
    def remote_name(self) -> str:
        """The other side's display name."""
        return self._dialog.remote.name

    @property
    def start_sequence(self) -> int | None:
        """The first RTP sequence number to send; None is a random one. Set it before audio runs."""
        return self._media.start_sequence

    @start_sequence.setter
    def start_sequence(self, value: int | None) -> None:
        if self._sender is not None:
            raise RuntimeError("the first RTP packet is already on its way")
        self._media.start_sequence = value

    def set_tone(self, hz: int | None) -> None:
        """Speak with this tone from now on; None is silence."""
        self._media.set_tone(hz)

    def fall_silent(self, silent: bool = True) -> None:
        """Send no audio packet at all, as a phone with silence suppression; False sends again."""
        self._media.sending = not silent

    async def dtmf(self, digits: str, seconds: float = 0.1, pause_seconds: float = 0.1) -> None:
        """Press keys as RFC 4733 events; no audio is sent while one is down.

        Raises CallEndedError if the call ends meanwhile.
        """
        try:
            await self._media.dtmf(digits, seconds, pause_seconds)
        except ConnectionError as error:
            raise CallEndedError(str(error)) from None

    @abstractmethod
    async def hang_up(self) -> None:
        """End the call in the way that fits its state; an ended call stays ended."""

    async def answered(self, within: float = 5.0) -> None:
        """Wait until the call is up; CallEndedError if it ends first."""
        await self._until(lambda: self.state is CallState.UP, within, "be answered")

    async def ringing(self, within: float = 5.0) -> None:
        """Wait until it rings or more (180, 183, answer); CallEndedError if it ends first."""
        await self._until(lambda: self.state is not CallState.CALLING, within, "ring")

    async def audio(self, within: float = 5.0) -> None:
        """Wait until audio can flow (SDP known), by early media or answer."""
        await self._until(lambda: self._sender is not None, within, "have audio")

    async def ended(self, within: float = 5.0) -> Ending:
        """Wait for the end, whoever brings it about."""
        await self._wait(lambda: self.ending is not None, within, "end")
        assert self.ending is not None
        return self.ending

    def handle(self, incoming: Incoming) -> None:
        """Serve a request of the other side inside this dialog."""
        method, body = incoming.request.method, incoming.request.body
        if method == "ACK":
            self._acknowledged(body)
            return
        if method not in ("BYE", "INVITE", "UPDATE", "OPTIONS", "INFO", "NOTIFY"):
            self._answer(incoming, 501)
        elif self.state is CallState.ENDED and method != "BYE":
            self._answer(incoming, 481)
        else:
            if method in ("INVITE", "UPDATE") and body:
                self._connect(body)
            wants_sdp = method == "INVITE" or (method == "UPDATE" and bool(body))
            self._answer(incoming, 200, self._media.local_sdp() if wants_sdp else b"")
            if method == "BYE":
                self._end("them")

    def abandon(self) -> None:
        """Let go of the call without a word; nothing if it has ended."""
        self._end("us")

    def _acknowledged(self, sdp: bytes) -> None:
        """Take an ACK, perhaps with the answer to an offer of ours."""
        if sdp and self.state is not CallState.ENDED:
            self._connect(sdp)

    def _answer(self, incoming: Incoming, code: int, sdp: bytes = b"") -> None:
        contact, tag = self._dialog.contact, self._dialog.tag
        self._wire.answer(incoming, code, contact=contact, tag=tag, sdp=sdp)

    def _connect(self, sdp: bytes) -> None:
        if self._media.connect(sdp):
            self._sender = self._spawn(self._media.run())
        self._notify()

    def _move(self, state: CallState) -> None:
        self.state = state
        self._notify()

    def _end(self, by: Literal["us", "them"], code: int | None = None) -> None:
        if self.ending is not None:
            return
        self.ending = Ending(by, code, self._loop.time())
        if self._sender is not None:
            self._sender.cancel()
        self._media.close()
        self._move(CallState.ENDED)

    async def _say_goodbye(self) -> None:
        """Send BYE; the call is over whatever comes back."""
        bye = self._wire.start(self._dialog.request("BYE"), self._dialog.destination)
        self._end("us")
        await bye.final

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, reached: Callable[[], bool], within: float, what: str) -> None:
        await self._wait(lambda: reached() or self.ending is not None, within, what)
        if self.ending is not None and not reached():
            code = f" with {self.ending.code}" if self.ending.code else ""
            raise CallEndedError(
                f"{self!r} was ended by {self.ending.by}{code} before it could {what}"
            )

    async def _wait(self, reached: Callable[[], bool], within: float, what: str) -> None:
        try:
            async with asyncio.timeout(within):
                while not reached():
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{self!r} did not {what} within {within:g} s") from None
