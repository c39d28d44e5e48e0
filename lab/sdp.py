"""The little SDP that a phone needs: one audio stream, G.711 and RFC 4733 events."""

from dataclasses import dataclass
from enum import StrEnum

from lab.g711 import CODECS, Codec, CodecName

EVENT_TYPE = 101


class Direction(StrEnum):
    """Which way audio may flow, as its writer sees it (RFC 3264 6.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


MIRRORED = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}


@dataclass(frozen=True)
class RemoteMedia:
    """Where the other side wants its audio, and how."""

    address: tuple[str, int]
    codec: Codec
    event_type: int | None
    direction: Direction


def describe_media(
    host: str, port: int, codecs: list[CodecName], event_type: int, direction: Direction
) -> bytes:
    """Write an offer or an answer."""
    chosen = [CODECS[name] for name in codecs]
    formats = " ".join(str(codec.payload_type) for codec in chosen)
    lines = [
        "v=0",
        f"o=- {port} {port} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats} {event_type}",
        *(f"a=rtpmap:{codec.payload_type} {codec.name}/8000" for codec in chosen),
        f"a=rtpmap:{event_type} telephone-event/8000",
        f"a=fmtp:{event_type} 0-16",
        "a=ptime:20",
        f"a={direction}",
        "",
    ]
    return "\r\n".join(lines).encode()


def parse_media(body: bytes, preferred: CodecName) -> RemoteMedia:
    """Read the other side's description; `preferred` wins where it is on offer.

    Raises ValueError if it has no audio stream that a phone can talk to.
    """
    host, port, formats, event_type, direction = "", 0, list[str](), None, Direction.SENDRECV
    for line in body.decode().splitlines():
        key, _, value = line.strip().partition("=")
        if key == "c":
            host = value.split()[-1]
        elif key == "m" and value.startswith("audio "):
            _, port_text, _, *formats = value.split()
            port = int(port_text)
        elif key == "a" and value.startswith("rtpmap:") and "telephone-event/8000" in value:
            event_type = int(value.removeprefix("rtpmap:").split()[0])
        elif key == "a" and value in list(Direction):
            direction = Direction(value)
    if port == 0:
        raise ValueError("the SDP has no audio stream, or refuses it")
    ordered = [CODECS[preferred], *CODECS.values()]
    for codec in ordered:
        if str(codec.payload_type) in formats:
            return RemoteMedia((host, port), codec, event_type, direction)
    raise ValueError(f"no G.711 audio in the SDP (formats on offer: {' '.join(formats) or 'none'})")
