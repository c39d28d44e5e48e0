"""Reading what Asterisk sends, and what it never should."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.asterisk.ari_events import (
    EVENT_FILTER,
    CallBroadcast,
    ChannelHangupRequest,
    ChannelUserevent,
    PlaybackFinished,
    RestResponse,
    StasisStart,
    UnknownEvent,
    decode,
)
from ari_controller.asterisk.errors import DecodeError

CHANNEL: dict[str, Any] = {
    "id": "1795474049.7",
    "name": "PJSIP/trunk-00000003",
    "state": "Up",
    "protocol_id": "3c26700c@198.51.100.7",
    "caller": {"name": "Ștefan", "number": "0721000000"},
    "connected": {"name": "", "number": ""},
    "accountcode": "",
    "dialplan": {
        "context": "inbound",
        "exten": "0374800800",
        "priority": 4,
        "app_name": "Stasis",
        "app_data": "ari-controller,inbound",
    },
    "creationtime": "2026-11-23T22:46:08.001+0000",
    "language": "en",
    "channelvars": {"POLICY": "inbound"},
}
FRAME = {"timestamp": "2026-11-23T22:46:08.002+0000", "asterisk_id": "02:fc:00:00:00:01"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "application",
        "args",
        "channel",
        "playback",
        "digit",
        "duration_ms",
        "cause",
        "cause_txt",
        "bridge",
        "eventname",
        "userevent",
        "caller",
        "called",
        "request_id",
        "status_code",
    ]
)


def event(kind: str, **more: object) -> str:
    return json.dumps({"type": kind, "application": "ari-controller", **FRAME, **more})


def test_a_stasis_start_is_read_with_its_channel() -> None:
    start = decode(event("StasisStart", args=["inbound", "did=1"], channel=CHANNEL))
    assert isinstance(start, StasisStart)
    assert start.application == "ari-controller"
    assert start.args == ["inbound", "did=1"]
    assert start.channel.id == "1795474049.7"
    assert start.channel.caller.name == "Ștefan"
    assert start.channel.dialplan.app_name == "Stasis"
    assert start.channel.channelvars == {"POLICY": "inbound"}


def test_a_failed_playback_says_so() -> None:
    playback = {"id": "p1", "media_uri": "sound:/x", "target_uri": "channel:1", "state": "failed"}
    finished = decode(event("PlaybackFinished", playback=playback))
    assert isinstance(finished, PlaybackFinished)
    assert (finished.playback.id, finished.playback.state) == ("p1", "failed")


def test_what_may_be_absent_may_be_absent() -> None:
    hangup = decode(event("ChannelHangupRequest", channel=CHANNEL))
    assert isinstance(hangup, ChannelHangupRequest)
    assert (hangup.cause, hangup.soft) == (None, None)
    said = decode(event("ChannelUserevent", eventname="x", userevent={"a": "b"}))
    assert isinstance(said, ChannelUserevent)
    assert said.channel is None


def test_a_broadcast_names_caller_and_called() -> None:
    offered = decode(event("CallBroadcast", channel=CHANNEL, caller="0721000000", called="9"))
    assert isinstance(offered, CallBroadcast)
    assert (offered.caller, offered.called) == ("0721000000", "9")


def test_an_answer_without_a_request_is_read() -> None:
    assert decode(event("RESTResponse", status_code=400, request_id="")) == RestResponse(400)


def test_an_event_that_we_do_not_read_is_told_apart_by_type_alone() -> None:
    assert decode(event("ChannelVarset", channel="whatever")) == UnknownEvent("ChannelVarset")


def test_the_filter_lets_answers_on_the_websocket_through() -> None:
    assert "RESTResponse" in EVENT_FILTER
    assert len(EVENT_FILTER) == 10


def test_a_known_event_that_lacks_a_field_is_an_error_without_its_values() -> None:
    broken = CHANNEL | {"state": 5, "caller": {"number": "0721000000"}}
    with pytest.raises(DecodeError) as caught:
        decode(event("ChannelDestroyed", channel=broken, cause=16, cause_txt="x"))
    assert "state" in str(caught.value)
    assert "0721" not in str(caught.value)


def _never_fails_otherwise(message: bytes | str) -> None:
    with suppress(DecodeError):
        decode(message)


@given(st.binary() | st.text(st.characters()))
def test_no_bytes_or_text_raise_anything_but_decode_error(message: bytes | str) -> None:
    _never_fails_otherwise(message)


@given(json_values)
def test_no_json_raises_anything_but_decode_error(value: object) -> None:
    _never_fails_otherwise(json.dumps(value))


@given(st.sampled_from(EVENT_FILTER), st.dictionaries(fields, json_values))
def test_no_event_shape_raises_anything_but_decode_error(
    kind: str, value: dict[str, object]
) -> None:
    _never_fails_otherwise(json.dumps({"type": kind, **value}))


@pytest.mark.parametrize("depth", [1_000, 200_000])
def test_deep_nesting_is_a_decode_error(depth: int) -> None:
    with pytest.raises(DecodeError):
        decode('{"type":"StasisStart","args":' + "[" * depth + "]" * depth + "}")


def test_a_lone_surrogate_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        decode('{"type":"\ud800"}')
