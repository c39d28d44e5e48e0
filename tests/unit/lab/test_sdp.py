import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.g711 import ALAW, CODECS, ULAW, CodecName
from lab.sdp import Direction, describe_media, parse_media

LAWS = st.sampled_from(list(CODECS))


@given(
    port=st.integers(1, 65535),
    offered=st.lists(LAWS, min_size=1, unique=True),
    preferred=LAWS,
    event_type=st.integers(96, 127),
    direction=st.sampled_from(Direction),
)
def test_what_is_described_is_understood(
    port: int,
    offered: list[CodecName],
    preferred: CodecName,
    event_type: int,
    direction: Direction,
) -> None:
    sdp = describe_media("127.0.0.1", port, offered, event_type, direction)
    remote = parse_media(sdp, preferred)
    assert remote.address == ("127.0.0.1", port)
    assert remote.codec is CODECS[preferred if preferred in offered else offered[0]]
    assert remote.event_type == event_type
    assert remote.direction is direction


def test_an_offer_without_g711_is_refused() -> None:
    with pytest.raises(ValueError, match="formats on offer: 9 18"):
        parse_media(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 9 18\r\n", "ulaw")


def test_a_refused_stream_is_no_audio() -> None:
    with pytest.raises(ValueError, match="no audio stream"):
        parse_media(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n", "ulaw")


def test_the_preferred_law_wins_whatever_the_order() -> None:
    sdp = b"v=0\nc=IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 0 8\n"
    assert parse_media(sdp, "alaw").codec is ALAW
    assert parse_media(sdp, "ulaw").codec is ULAW
