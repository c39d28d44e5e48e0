"""The RTP side of one call: sends a tone or digits in real time, keeps what arrives."""

import asyncio
import random
import socket
from collections import deque
from dataclasses import dataclass, field

from rtp import RTP, PayloadType

from lab.g711 import CODECS, Codec, CodecName
from lab.heard import Digit, Frame, Heard
from lab.sdp import EVENT_TYPE, MIRRORED, Direction, RemoteMedia, describe_media, parse_media
from lab.tones import AMPLITUDE, RATE, tone

PACKET_SECONDS = 0.02
PACKET_SAMPLES = 160
DIGITS = "0123456789*#ABCD"
END_OF_EVENT = 0x80
VOLUME = 10
LARGEST_DATAGRAM = 2048


@dataclass
class OutgoingDigit:
    """One RFC 4733 event on its way; `packets` is how many of 20 ms it lasts."""

    digit: str
    packets: int
    pause_packets: int
    sent: asyncio.Future[None] | None = None
    timestamp: int = 0
    done_packets: int = 0


@dataclass
class MediaStream:
    """One UDP port with a clock. Audio flows from `connect` to `close`, 50 packets a second."""

    host: str
    codec_name: CodecName
    start_sequence: int | None = None
    heard: Heard = field(default_factory=Heard)
    sending: bool = True
    remote: RemoteMedia | None = None

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((self.host, 0))
        self.loop.add_reader(self._socket.fileno(), self._read)
        self.port = int(self._socket.getsockname()[1])
        self._wave = b""
        self._tone_hz: int | None = None
        self._position = 0
        self._sequence = 0
        self._timestamp = random.getrandbits(32)
        self._ssrc = random.getrandbits(32)
        self._digits: deque[OutgoingDigit] = deque()
        self._last_event_timestamp: int | None = None

    def local_sdp(self) -> bytes:
        """Describe this stream: an offer before the other side is known, an answer after."""
        if self.remote is None:
            others = [name for name in CODECS if name != self.codec_name]
            names = [self.codec_name, *others]
            return describe_media(self.host, self.port, names, EVENT_TYPE, Direction.SENDRECV)
        chosen = [name for name, codec in CODECS.items() if codec is self.remote.codec]
        event_type = EVENT_TYPE if self.remote.event_type is None else self.remote.event_type
        direction = MIRRORED[self.remote.direction]
        return describe_media(self.host, self.port, chosen, event_type, direction)

    def connect(self, sdp: bytes) -> bool:
        """Take the other side's description; tell whether it is the first: then start `run`."""
        first = self.remote is None
        self.remote = parse_media(sdp, self.codec_name)
        self.set_tone(self._tone_hz)
        if first:
            start = self.start_sequence
            self._sequence = random.getrandbits(16) if start is None else start
        return first

    def set_tone(self, hz: int | None) -> None:
        """Speak with this tone from the next packet on; None is silence, still sent."""
        self._tone_hz = hz
        if self.remote is not None:
            # A whole number of Hz repeats after one second, so one second is the whole voice.
            samples = tone(hz or 0, 1.0, amplitude=AMPLITUDE if hz else 0)
            self._wave = self.remote.codec.encode(samples)

    async def dtmf(self, digits: str, seconds: float, pause_seconds: float) -> None:
        """Send digits one after the other and return when the last one's pause is over."""
        unknown = set(digits) - set(DIGITS)
        if unknown:
            raise ValueError(f"not DTMF: {' '.join(sorted(unknown))} (use {DIGITS})")
        if self.remote is None or self.remote.event_type is None:
            raise RuntimeError("no DTMF before the other side offered telephone-event in its SDP")
        packets = max(1, round(seconds / PACKET_SECONDS))
        pause_packets = round(pause_seconds / PACKET_SECONDS)
        waiting = [OutgoingDigit(digit, packets, pause_packets) for digit in digits]
        if waiting:
            waiting[-1].sent = sent = self.loop.create_future()
            self._digits.extend(waiting)
            await sent

    async def run(self) -> None:
        """Send a packet every 20 ms by the loop's clock: a late one does not shift the rest."""
        begun, count = self.loop.time(), 0
        while True:
            self._send_next()
            count += 1
            await asyncio.sleep(max(0.0, begun + count * PACKET_SECONDS - self.loop.time()))

    def close(self) -> None:
        """Close the port; a wait for digits that were not sent yet ends in ConnectionError."""
        self.loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for digit in self._digits:
            if digit.sent is not None and not digit.sent.done():
                digit.sent.set_exception(ConnectionError("the call ended before the last digit"))

    def _send_next(self) -> None:
        assert self.remote is not None
        offset = self._position % RATE
        self._position += PACKET_SAMPLES
        now = (self._timestamp + self._position) % 2**32
        if self._digits and self._digits[0].done_packets < self._digits[0].packets:
            self._send_event(self._digits[0], now)
            return
        if self._digits:
            self._pause(self._digits[0])
        if self.sending and self.remote.direction in (Direction.SENDRECV, Direction.RECVONLY):
            self._send(
                self.remote.codec.payload_type,
                now,
                self._wave[offset : offset + PACKET_SAMPLES],
                marker=self._position == PACKET_SAMPLES,
            )

    def _send_event(self, digit: OutgoingDigit, now: int) -> None:
        assert self.remote is not None
        assert self.remote.event_type is not None
        first = digit.done_packets == 0
        if first:
            digit.timestamp = now
        digit.done_packets += 1
        last = digit.done_packets == digit.packets
        duration = digit.done_packets * PACKET_SAMPLES
        payload = bytes(
            [DIGITS.index(digit.digit), VOLUME | (END_OF_EVENT if last else 0)]
        ) + duration.to_bytes(2, "big")
        for _ in range(3 if last else 1):  # RFC 4733 2.5.1.4: the end is said three times
            self._send(self.remote.event_type, digit.timestamp, payload, marker=first)

    def _pause(self, digit: OutgoingDigit) -> None:
        digit.pause_packets -= 1
        if digit.pause_packets > 0:
            return
        self._digits.popleft()
        if digit.sent is not None and not digit.sent.done():
            digit.sent.set_result(None)

    def _send(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> None:
        assert self.remote is not None
        packet = RTP(
            marker=marker,
            payloadType=PayloadType(payload_type),
            sequenceNumber=self._sequence,
            timestamp=timestamp,
            ssrc=self._ssrc,
            payload=bytearray(payload),
        )
        self._sequence = (self._sequence + 1) % 2**16
        self._socket.sendto(packet.toBytes(), self.remote.address)

    def _read(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            # A port that was somebody else's a moment ago still gets their last packets.
            if self.remote is None or source == self.remote.address:
                self._receive(data)

    def _receive(self, data: bytes) -> None:
        packet = RTP().fromBytes(data)
        if self.heard.first_sequence is None:
            self.heard.first_sequence = packet.sequenceNumber
        codec = self._codec_of(packet.payloadType)
        if codec is not None:
            samples = codec.decode(packet.payload)
            self.heard.frames.append(Frame(self.loop.time(), samples, packet.timestamp))
        elif self.remote is not None and packet.payloadType == self.remote.event_type:
            if packet.timestamp != self._last_event_timestamp and packet.payload[0] < len(DIGITS):
                self.heard.digits.append(Digit(self.loop.time(), DIGITS[packet.payload[0]]))
            self._last_event_timestamp = packet.timestamp

    @staticmethod
    def _codec_of(payload_type: int) -> Codec | None:
        return next((c for c in CODECS.values() if c.payload_type == payload_type), None)
