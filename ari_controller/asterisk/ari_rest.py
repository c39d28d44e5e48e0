"""The REST calls that we make, typed, over any transport.

Names are those of Asterisk's api-docs. Every call raises `Unavailable` when the outcome is
unknown and a `Refused` when Asterisk said no; only what differs is documented per call.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import msgspec

from ari_controller.asterisk.ari_events import Channel
from ari_controller.asterisk.errors import (
    AsteriskError,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
    UnsafeValue,
)

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True):
    """What came back on a request, over either transport."""

    status: int
    body: bytes | str


class AsteriskInfo(msgspec.Struct, frozen=True):
    """What Asterisk says of itself; `+dfsg` in the version marks Debian's own build."""

    version: str
    build_options: str
    entity_id: str


class _Build(msgspec.Struct):
    options: str = ""


class _System(msgspec.Struct):
    version: str
    entity_id: str = ""


class _Info(msgspec.Struct):
    system: _System
    build: _Build = msgspec.field(default_factory=_Build)


class _Application(msgspec.Struct):
    channel_ids: list[str]


class _Variable(msgspec.Struct):
    value: str


class _Message(msgspec.Struct):
    message: str = ""


def encode_path(segments: Sequence[str]) -> str:
    """Join path segments so that none can become two, none, or a step upwards.

    UnsafeValue when a segment is empty (the request would address the collection), holds a NUL
    (Asterisk would end the string there), or is not text that UTF-8 can carry.
    """
    return "/".join(_encode_segment(segment) for segment in segments)


def _encode_segment(segment: str) -> str:
    if not segment or "\0" in segment:
        raise UnsafeValue("an id in an ARI request is empty or holds a NUL")
    if segment in {".", ".."}:
        return segment.replace(".", "%2E")
    try:
        return quote(segment, safe="")
    except UnicodeEncodeError as error:
        raise UnsafeValue("an id in an ARI request is not valid text") from error


def error_for(answer: Answer, request: str) -> AsteriskError:
    """Sort an answer of 400 and above by what the caller may conclude."""
    try:
        message = msgspec.json.decode(answer.body, type=_Message).message
    except (msgspec.MsgspecError, UnicodeError):
        message = ""
    said = f"{request}: {answer.status} {message}".rstrip()
    match answer.status:
        case 404 | 422:  # 422: a subscription's event source does not exist
            return NotFound(said)
        case 409:
            return Conflict(said)
        case status if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Refused(said)
        case _:
            return Unavailable(said)


class AriRest(ABC):
    """Typed calls on one application's behalf; a subclass brings the transport."""

    def __init__(self, app: str) -> None:
        self.app = app

    @abstractmethod
    async def _request(
        self,
        method: str,
        segments: Sequence[str],
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Unavailable when there was no answer, UnsafeValue when it must not be sent.
        """

    async def _call(
        self,
        method: str,
        *segments: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        answer = await self._request(method, segments, query, body)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise error_for(answer, _describe(method, segments))
        return answer

    async def _read(
        self, kind: type[T], *segments: str, query: Mapping[str, str] | None = None
    ) -> T:
        return _parse(await self._call("GET", *segments, query=query), kind)

    # Channels

    async def play(self, channel_id: str, playback_id: str, media: str) -> None:
        """Play `media` (such as `sound:/path/without/extension`) under an id chosen by us.

        A sound that does not exist is no error here: PlaybackFinished says `failed`. A comma,
        which would end one sound and begin another, is an UnsafeValue.
        """
        if "," in media:
            raise UnsafeValue("the name of a sound holds a comma")
        await self._call(
            "POST", "channels", channel_id, "play", playback_id, query={"media": media}
        )

    async def get_channel(self, channel_id: str) -> Channel:
        """Return a channel as it is now."""
        return await self._read(Channel, "channels", channel_id)

    async def channels(self) -> list[Channel]:
        """Return every channel of this Asterisk, in Stasis or not."""
        return await self._read(list[Channel], "channels")

    async def get_variable(self, channel_id: str, name: str) -> str:
        """Return a channel's variable or function; empty when it is not set.

        NotFound is said of the channel alone; a function that cannot be read is Unavailable.
        """
        try:
            variable = await self._read(
                _Variable, "channels", channel_id, "variable", query={"variable": name}
            )
        except NotFound as error:
            if "variable was not found" in str(error):
                return ""
            raise
        return variable.value

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        """Set a channel's variable or function; a function that does not exist is no error."""
        await self._call(
            "POST", "channels", channel_id, "variable", query={"variable": name, "value": value}
        )

    async def continue_in_dialplan(self, channel_id: str) -> None:
        """Let a channel go on after its Stasis line; Conflict when it is not in Stasis."""
        await self._call("POST", "channels", channel_id, "continue")

    async def hang_up(self, channel_id: str, reason: str = "normal") -> None:
        """End a channel; `reason` is one of ARI's words, such as `normal` or `busy`."""
        await self._call("DELETE", "channels", channel_id, query={"reason": reason})

    async def snoop(
        self, channel_id: str, snoop_id: str, *, app_args: str, whisper: str = "out"
    ) -> Channel:
        """Attach a channel that speaks into `channel_id` alone and enters our application.

        `whisper="out"` is heard by the party on that channel and by nobody else.
        """
        answer = await self._call(
            "POST",
            "channels",
            channel_id,
            "snoop",
            snoop_id,
            query={"spy": "none", "whisper": whisper, "app": self.app, "appArgs": app_args},
        )
        return _parse(answer, Channel)

    # Playbacks

    async def stop_playback(self, playback_id: str) -> None:
        """Stop a playback, on which PlaybackFinished follows; NotFound when it is over already."""
        await self._call("DELETE", "playbacks", playback_id)

    # Applications and events

    async def application_channel_ids(self) -> list[str]:
        """Return the ids of the channels in, or watched by, the application; none if it is gone."""
        try:
            application = await self._read(_Application, "applications", self.app)
        except NotFound:
            return []
        return application.channel_ids

    async def subscribe(self, channel_id: str) -> None:
        """Ask for a channel's events until it ends, in Stasis and out of it."""
        await self._call(
            "POST",
            "applications",
            self.app,
            "subscription",
            query={"eventSource": f"channel:{channel_id}"},
        )

    async def set_event_filter(self, allowed: Sequence[str]) -> None:
        """Let only these event types through to this application."""
        await self._call(
            "PUT",
            "applications",
            self.app,
            "eventFilter",
            body={"allowed": [{"type": name} for name in allowed]},
        )

    async def claim(self, channel_id: str) -> bool:
        """Claim a broadcast channel; False when another was first, it is over, or unknown here."""
        try:
            await self._call(
                "POST",
                "events",
                "claim",
                query={"channelId": channel_id, "application": self.app},
            )
        except (Conflict, NotFound):
            return False
        return True

    # Asterisk

    async def ping(self) -> None:
        """Ask for nothing but an answer."""
        await self._call("GET", "asterisk", "ping")

    async def info(self) -> AsteriskInfo:
        """Return the version and build of this Asterisk."""
        info = await self._read(_Info, "asterisk", "info")
        return AsteriskInfo(info.system.version, info.build.options, info.system.entity_id)


def _describe(method: str, segments: Sequence[str]) -> str:
    # Ids are left out: some are made by others, and an error's text may reach a log.
    return " ".join([method, *segments[::2]])


def _parse(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unavailable(f"Asterisk's answer cannot be read: {error}") from error
