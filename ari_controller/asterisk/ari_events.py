"""ARI's JSON to frozen structs: the events we act on, with only the fields we read.

Field names and types are those of Asterisk's `rest-api/api-docs/events.json`, checked against
Asterisk 22. What a caller can choose (names, numbers, variables) is untrusted text.
"""

from typing import Any, TypeAlias, get_args

import msgspec

from ari_controller.asterisk.errors import DecodeError


class CallerId(msgspec.Struct, frozen=True):
    """A party's name and number as Asterisk has them; both may be empty."""

    name: str = ""
    number: str = ""


class DialplanPosition(msgspec.Struct, frozen=True):
    """Where a channel stands in the dialplan."""

    context: str
    exten: str
    priority: int
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    """One leg of a call; `id` is its Uniqueid and stays the same through transfers.

    `channelvars` holds what `channelvars` in ari.conf names. `protocol_id` is the SIP Call-ID.
    """

    id: str
    name: str
    state: str
    caller: CallerId
    connected: CallerId
    dialplan: DialplanPosition
    creationtime: str
    channelvars: dict[str, str] | None = None
    protocol_id: str = ""


class Playback(msgspec.Struct, frozen=True):
    """A playback; `state` of a finished one is `done` or `failed`.

    `failed` is the only news of a sound that does not exist: `play` itself succeeds.
    """

    id: str
    state: str
    media_uri: str


class _Event(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """A message on the events WebSocket, told apart by its `type`."""


class StasisStart(_Event, frozen=True):
    """A channel came to an application; again after a re-entry."""

    application: str
    args: list[str]
    channel: Channel


class StasisEnd(_Event, frozen=True):
    """A channel left the application, by our `continue` or by another hand."""

    application: str
    channel: Channel


class PlaybackFinished(_Event, frozen=True):
    """A playback ended: played, stopped or failed. May arrive before `play` has returned."""

    playback: Playback


class ChannelDtmfReceived(_Event, frozen=True):
    """A key was pressed; sent at its end."""

    digit: str
    duration_ms: int
    channel: Channel


class ChannelHangupRequest(_Event, frozen=True):
    """A channel was asked to hang up; may come twice."""

    channel: Channel
    cause: int | None = None
    soft: bool | None = None


class ChannelDestroyed(_Event, frozen=True):
    """A channel is gone; the last that is heard of it."""

    channel: Channel
    cause: int
    cause_txt: str


class ChannelUserevent(_Event, frozen=True):
    """The dialplan said something (`UserEvent`), or another ARI client did."""

    eventname: str
    userevent: dict[str, Any]
    channel: Channel | None = None


class CallBroadcast(_Event, frozen=True):
    """`StasisBroadcast` offers a channel to whoever claims it first.

    `caller` and `called` are the number and the extension; the broadcast's arguments come only
    with the StasisStart that follows a claim.
    """

    application: str
    channel: Channel
    caller: str = ""
    called: str = ""


class ApplicationReplaced(_Event, frozen=True):
    """Another client connected under the same application name."""

    application: str


class RestResponse(_Event, frozen=True, tag="RESTResponse"):
    """The answer to a request sent over the WebSocket; `request_id` is empty for a bad request."""

    status_code: int
    request_id: str = ""
    reason_phrase: str = ""
    message_body: str = ""


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a type that we do not read."""

    type: str


Event: TypeAlias = (
    StasisStart
    | StasisEnd
    | PlaybackFinished
    | ChannelDtmfReceived
    | ChannelHangupRequest
    | ChannelDestroyed
    | ChannelUserevent
    | CallBroadcast
    | ApplicationReplaced
)

_KNOWN = frozenset(str(struct.__struct_config__.tag) for struct in (*get_args(Event), RestResponse))

EVENT_FILTER = sorted(_KNOWN)
"""The types to allow in the application's event filter.

RESTResponse is among them because a filter without it swallows the answers to requests made
over the WebSocket.
"""

_typed: msgspec.json.Decoder[Event | RestResponse] = msgspec.json.Decoder(Event | RestResponse)
_envelope = msgspec.json.Decoder(UnknownEvent)


def decode(message: bytes | str) -> Event | RestResponse | UnknownEvent:
    """Read one message of the events WebSocket.

    DecodeError when it is not JSON, has no type, or is of a known type and lacks a field.
    """
    try:
        envelope = _envelope.decode(message)
        if envelope.type not in _KNOWN:
            return envelope
        return _typed.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        # The text of a validation error names fields, never their values.
        raise DecodeError(f"Asterisk sent an event that cannot be read: {error}") from error
