"""Two phones without a PBX between them: everything but Asterisk's own behaviour."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from sipmessage import URI, Address, Message, Request, Response

from lab.dialog import Dialog
from lab.phone import CallEndedError, CallState, IncomingCall, Phone
from lab.sdp import Direction, describe_media
from lab.sip import tagged
from lab.tones import await_tone, hears


async def test_both_sides_hear_each_other() -> None:
    async with Phone(user="anna") as anna, Phone(user="bob", codec="alaw") as bob:
        made = await anna.call(bob.uri, 1000, name="Anna")
        taken = await bob.next_call()
        assert taken.remote_uri.user == "anna"
        assert taken.remote_name == "Anna"
        assert taken.called_uri.user == "bob"
        await taken.answer(1300)
        await made.answered()
        await asyncio.gather(await_tone(made, 1300), await_tone(taken, 1000))
        await made.hang_up()
        assert (await taken.ended()).by == "them"
        assert made.ending is not None
        assert made.ending.by == "us"


async def test_a_changed_tone_is_heard_at_the_other_end() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri, 1000)
        taken = await bob.next_call()
        await taken.answer()
        await await_tone(taken, 1000)
        made.set_tone(1700)
        await await_tone(taken, 1700)
        assert not hears(made, 1700)


async def test_early_media_is_heard_before_the_answer() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri)
        taken = await bob.next_call()
        await taken.ring()
        await made.ringing()
        assert made.state == CallState.RINGING
        await taken.progress(500)
        await await_tone(made, 500)
        assert str(made.state) == CallState.EARLY
        await taken.answer(1300)
        await await_tone(made, 1300)
        assert [code for _, code in made.responses] == [100, 180, 183, 200]


async def test_digits_arrive_in_order_and_interrupt_the_voice() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri, 1000)
        taken = await bob.next_call()
        await taken.answer()
        await await_tone(taken, 1000)
        await made.dtmf("1*9D", seconds=0.1)
        assert taken.heard.dialled == "1*9D"
        sent = [frame.timestamp for frame in taken.heard]
        gaps = [later - earlier for earlier, later in pairwise(sent)]
        assert [gap for gap in gaps if gap != 160] == [6 * 160] * 4  # five of 20 ms are missing


async def test_a_key_that_does_not_exist_is_refused() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri)
        await (await bob.next_call()).answer()
        await made.answered()
        with pytest.raises(ValueError, match="not DTMF: x"):
            await made.dtmf("1x")


async def test_digits_end_with_the_call() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri)
        taken = await bob.next_call()
        await taken.answer()
        await made.answered()
        pressing = asyncio.ensure_future(made.dtmf("123456"))
        await taken.hang_up()
        with pytest.raises(CallEndedError):
            await pressing


async def test_the_first_sequence_number_can_be_chosen() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri, 1000, start_sequence=65530)
        taken = await bob.next_call()
        taken.start_sequence = 40000
        await taken.answer(1300)
        await asyncio.gather(await_tone(taken, 1000), await_tone(made, 1300))
        with pytest.raises(RuntimeError):
            taken.start_sequence = 1
        assert made.heard.first_sequence == 40000
        assert taken.heard.first_sequence == 65530


async def test_a_cancelled_call_ends_on_both_sides() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri)
        taken = await bob.next_call()
        await taken.ring()
        await made.hang_up()
        assert (made.ending and made.ending.code) == 487
        assert (await taken.ended()).by == "them"
        with pytest.raises(CallEndedError):
            await taken.answer()


async def test_a_declined_call_names_the_code() -> None:
    async with Phone() as anna, Phone() as bob:
        made = await anna.call(bob.uri)
        await (await bob.next_call()).decline(603)
        with pytest.raises(CallEndedError, match="603"):
            await made.answered()
        assert (await made.ended()).code == 603


async def test_a_script_answers_each_call_by_itself() -> None:
    async def answer(call: IncomingCall) -> None:
        await call.answer(1300)

    async with Phone() as anna, Phone(on_invite=answer) as bob:
        calls = [await anna.call(bob.uri, 1000) for _ in range(10)]
        await asyncio.gather(*(await_tone(call, 1300) for call in calls))
        await asyncio.gather(*(await_tone(call, 1000) for call in bob.calls))
        assert len(bob.calls) == 10
        assert len({call.key for call in bob.calls}) == 10


async def test_a_script_that_fails_is_not_swallowed() -> None:
    async def fail(call: IncomingCall) -> None:
        raise LookupError("no such script")

    async def call_the_script(anna: Phone) -> None:
        async with Phone(on_invite=fail) as bob:
            call = await anna.call(bob.uri)
            assert (await call.ended()).by == "them"

    async with Phone() as anna:
        with pytest.raises(ExceptionGroup) as caught:
            await call_the_script(anna)
    assert caught.group_contains(LookupError, match="no such script")


async def test_a_phone_that_closes_ends_its_calls() -> None:
    async with Phone() as bob:
        async with Phone() as anna:
            made = await anna.call(bob.uri)
            taken = await bob.next_call()
            await taken.answer()
            await made.answered()
        assert (await taken.ended()).by == "them"


async def test_a_wait_that_fails_says_for_what() -> None:
    async with Phone() as anna, Phone(user="bob") as bob:
        made = await anna.call(bob.uri)
        with pytest.raises(TimeoutError, match=r"sip:bob@.*did not be answered within 0\.05 s"):
            await made.answered(0.05)
        with pytest.raises(TimeoutError, match="no call within"):
            await anna.next_call(0.05)


async def test_a_port_in_use_names_the_remedy() -> None:
    async with Phone() as anna:
        with pytest.raises(OSError, match="choose another port"):
            async with Phone(port=anna.port):
                pass


class Raw(asyncio.DatagramProtocol):
    """A socket that sends what no phone would and keeps what comes back."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)


class RawCaller:
    """Sends one INVITE by hand, so that a test decides about every datagram."""

    def __init__(self, transport: asyncio.DatagramTransport, raw: Raw, phone: Phone) -> None:
        self.transport, self.raw, self.phone = transport, raw, phone
        port = transport.get_extra_info("sockname")[1]
        caller = Address(URI("sip", "127.0.0.1", "raw", port=port))
        target = URI.parse(phone.uri)
        self.via = f"SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK"
        self.dialog = Dialog("one", tagged(caller, "a"), Address(target), caller, target)
        sdp = describe_media("127.0.0.1", 9, ["ulaw"], 101, Direction.INACTIVE)
        self.invite = self.dialog.request("INVITE", sdp)
        self.invite.headers.set("Via", self.via + "invite")

    def send(self, request: Request) -> None:
        self.transport.sendto(bytes(request), (self.phone.host, self.phone.port))

    def acknowledge(self, response: bytes) -> None:
        self.dialog.remote = Message.parse(response).to_address
        ack = self.dialog.request("ACK", sequence=1)
        ack.headers.set("Via", self.via + "ack")
        self.send(ack)

    async def receive(self) -> bytes:
        async with asyncio.timeout(3):
            return await self.raw.received.get()


@asynccontextmanager
async def raw_call(phone: Phone) -> AsyncIterator[RawCaller]:
    loop = asyncio.get_running_loop()
    transport, raw = await loop.create_datagram_endpoint(Raw, local_addr=("127.0.0.1", 0))
    caller = RawCaller(transport, raw, phone)
    caller.send(caller.invite)
    assert b"100 Trying" in await caller.receive()
    yield caller
    transport.close()


async def test_a_repeated_request_gets_the_same_answer_and_no_second_call() -> None:
    async with Phone() as bob, raw_call(bob) as caller:
        taken = await bob.next_call()
        await taken.ring()
        ringing = await caller.receive()
        caller.send(caller.invite)
        assert await caller.receive() == ringing
        assert len(bob.calls) == 1
        await taken.decline()


async def test_an_answer_is_repeated_until_its_ack() -> None:
    async with Phone() as bob, raw_call(bob) as caller:
        taken = await bob.next_call()
        answering = asyncio.ensure_future(taken.answer())
        first, second = await caller.receive(), await caller.receive()
        assert b"200 OK" in first
        assert first == second
        assert not answering.done()
        caller.acknowledge(first)
        await answering
        taken.abandon()


async def test_a_request_is_repeated_until_it_is_heard() -> None:
    loop = asyncio.get_running_loop()
    transport, raw = await loop.create_datagram_endpoint(Raw, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    async with Phone() as anna:
        call = await anna.call(f"sip:deaf@127.0.0.1:{port}")
        async with asyncio.timeout(3):
            first, second = await raw.received.get(), await raw.received.get()
        assert first == second
        call.abandon()
    transport.close()


async def test_a_refusal_is_acknowledged_each_time_it_is_said() -> None:
    loop = asyncio.get_running_loop()
    transport, raw = await loop.create_datagram_endpoint(Raw, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    async with Phone() as anna, asyncio.timeout(3):
        call = await anna.call(f"sip:busy@127.0.0.1:{port}")
        invite = Message.parse(await raw.received.get())
        busy = Response(486, "Busy Here")
        busy.via, busy.cseq, busy.call_id = invite.via, invite.cseq, invite.call_id
        busy.from_address = invite.from_address
        busy.to_address = tagged(invite.to_address, "b")
        for _ in range(2):
            transport.sendto(bytes(busy), (anna.host, anna.port))
            ack = Message.parse(await raw.received.get())
            assert isinstance(ack, Request)
            assert ack.method == "ACK"
            assert ack.via == invite.via
            assert ack.to_address == busy.to_address
        assert (await call.ended()).code == 486
    transport.close()


async def test_audio_keeps_the_pace_of_a_real_clock() -> None:
    async with Phone() as anna, Phone() as bob:
        await anna.call(bob.uri, 1000)
        taken = await bob.next_call()
        await taken.answer()
        async with asyncio.timeout(5):
            while len(taken.heard.frames) < 50:  # noqa: ASYNC110, frames have no event
                await asyncio.sleep(0.02)
        first = taken.heard.frames[0].at
        late = [frame.at - first - 0.02 * i for i, frame in enumerate(taken.heard)]
        assert -0.02 < min(late[25:]) < 0.02  # single packets may be late, the stream is not


async def test_hold_and_resume_are_answered_in_kind() -> None:
    async with Phone() as bob, raw_call(bob) as caller:
        taken = await bob.next_call()
        answering = asyncio.ensure_future(taken.answer(1300))
        answer = await caller.receive()
        caller.acknowledge(answer)
        await answering
        assert b"a=inactive" in answer
        sdp = describe_media("127.0.0.1", 9, ["ulaw"], 101, Direction.RECVONLY)
        again = caller.dialog.request("INVITE", sdp)
        again.headers.set("Via", caller.via + "again")
        caller.send(again)
        assert b"a=sendonly" in await caller.receive()
        taken.abandon()
