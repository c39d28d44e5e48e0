"""The lab's phones against a real Asterisk: what every other test builds on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lab.asterisk import PrivateAsterisk
from lab.asterisk_config import Ports
from lab.phone import CallEndedError, CallState, IncomingCall, OutgoingCall, Phone
from lab.ports import free_port
from lab.tones import await_tone, hears, seconds_of, tone, write_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

PJSIP = """\
[global]
type = global
endpoint_identifier_order = username,ip,anonymous

[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1:{sip}

[anonymous]
type = endpoint
context = phones
disallow = all
allow = ulaw,alaw
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
"""

# 7<port> calls the phone on that port.
EXTENSIONS = """\
[phones]
exten => echo,1,Answer()
 same => n,Echo()
exten => tone,1,Answer()
 same => n,Playback({sounds}/tone600)
 same => n,Hangup()
exten => early,1,Progress()
 same => n,Playback({sounds}/tone600,noanswer)
 same => n,Hangup(21)
exten => digits,1,Answer()
 same => n,Read(GLOBAL(DIGITS),{sounds}/tone600,3,,1,5)
 same => n,Playback({sounds}/tone1700)
 same => n,Hangup()
exten => _7X.,1,Dial(PJSIP/anonymous/sip:agent@127.0.0.1:${{EXTEN:1}},20)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(
    asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PrivateAsterisk]:
    state = tmp_path_factory.mktemp("asterisk")
    write_wav(state / "tone600.wav", tone(600, 1.0))
    write_wav(state / "tone1700.wav", tone(1700, 1.0))
    ports = Ports(sip=free_port(), ari=free_port(), ami=free_port())
    files = {
        "pjsip.conf": PJSIP.format(sip=ports.sip),
        "extensions.conf": EXTENSIONS.format(sounds=state),
    }
    server = PrivateAsterisk(asterisk_root, state, ports=ports, files=files)
    await server.start()
    yield server
    await server.stop()


async def call(asterisk: PrivateAsterisk, phone: Phone, exten: str, hz: int) -> OutgoingCall:
    return await phone.call(f"sip:{exten}@127.0.0.1:{asterisk.ports.sip}", hz)


@pytest.mark.parametrize("codec", ["ulaw", "alaw"])
async def test_an_echo_brings_the_own_tone_back(asterisk: PrivateAsterisk, codec: str) -> None:
    async with Phone(codec="alaw" if codec == "alaw" else "ulaw") as phone:
        made = await call(asterisk, phone, "echo", 1000)
        await made.answered()
        await await_tone(made, 1000)
        made.set_tone(1300)
        await await_tone(made, 1300)
        await made.hang_up()


async def test_a_sound_file_is_heard_for_its_length(asterisk: PrivateAsterisk) -> None:
    async with Phone() as phone:
        made = await call(asterisk, phone, "tone", 1000)
        assert (await made.ended()).by == "them"
        assert seconds_of(made, 600) == pytest.approx(1.0, abs=0.11)  # two windows of 50 ms


async def test_early_media_reaches_a_caller_who_is_never_answered(
    asterisk: PrivateAsterisk,
) -> None:
    async with Phone() as phone:
        made = await call(asterisk, phone, "early", 1000)
        await await_tone(made, 600)
        assert made.state is CallState.EARLY
        with pytest.raises(CallEndedError):
            await made.answered()
        assert 200 not in [code for _, code in made.responses]


async def test_two_phones_talk_through_asterisk(asterisk: PrivateAsterisk) -> None:
    async with Phone(user="caller") as phone, Phone(user="agent", codec="alaw") as agent:
        made = await call(asterisk, phone, f"7{agent.port}", 1000)
        taken = await agent.next_call()
        await taken.ring()
        await made.ringing()
        await taken.progress(500)
        await await_tone(made, 500)
        await taken.answer(1300)
        await made.answered()
        await asyncio.gather(await_tone(made, 1300), await_tone(taken, 1000))
        assert {channel.state for channel in await asterisk.channels()} == {"Up"}
        await taken.hang_up()
        assert (await made.ended()).by == "them"


async def test_digits_arrive_one_by_one(asterisk: PrivateAsterisk) -> None:
    async with Phone() as phone, Phone() as agent:
        made = await call(asterisk, phone, f"7{agent.port}", 1000)
        taken = await agent.next_call()
        await taken.answer(1300)
        await await_tone(taken, 1000)
        for number, digit in enumerate("1*9", start=1):
            await made.dtmf(digit)
            assert taken.heard.dialled == "1*9"[:number]
        await made.hang_up()


async def test_asterisk_reads_the_digits(asterisk: PrivateAsterisk) -> None:
    async with Phone() as phone:
        made = await call(asterisk, phone, "digits", 1000)
        await await_tone(made, 600)
        await made.dtmf("1*9")
        await await_tone(made, 1700)
        assert "DIGITS=1*9" in await asterisk.cli("dialplan show globals")
        await made.hang_up()


async def test_a_caller_who_gives_up_stops_the_ringing(asterisk: PrivateAsterisk) -> None:
    async with Phone() as phone, Phone() as agent:
        made = await call(asterisk, phone, f"7{agent.port}", 1000)
        taken = await agent.next_call()
        await taken.ring()
        await made.ringing()
        await made.hang_up()
        assert made.ending is not None
        assert made.ending[:2] == ("us", 487)
        assert (await taken.ended())[:2] == ("them", 487)


async def test_a_declined_call_comes_back_as_busy(asterisk: PrivateAsterisk) -> None:
    async with Phone() as phone, Phone() as agent:
        made = await call(asterisk, phone, f"7{agent.port}", 1000)
        await (await agent.next_call()).decline(486)
        assert (await made.ended())[:2] == ("them", 486)


async def test_twenty_calls_at_once_do_not_mix(asterisk: PrivateAsterisk) -> None:
    """Each caller has a tone of their own, and the agent's end of that call hears only it."""
    voices = [440 + 80 * number for number in range(20)]
    taken: dict[str, IncomingCall] = {}

    async def answer(incoming: IncomingCall) -> None:
        taken[incoming.remote_uri.user or ""] = incoming
        await incoming.answer(3000)

    async with Phone() as phone, Phone(on_invite=answer) as agent:
        target = f"sip:7{agent.port}@127.0.0.1:{asterisk.ports.sip}"
        made = {str(hz): await phone.call(target, hz, user=str(hz)) for hz in voices}
        await asyncio.gather(*(one.answered() for one in made.values()))
        await asyncio.gather(*(await_tone(one, 3000) for one in made.values()))
        await asyncio.gather(*(await_tone(taken[str(hz)], hz) for hz in voices))
        for hz in voices:
            others = [other for other in voices if other != hz]
            assert not any(hears(taken[str(hz)], other, for_seconds=0.05) for other in others)
        assert len(await asterisk.channels()) == 40
        await asyncio.gather(*(one.hang_up() for one in made.values()))
        await asyncio.gather(*(one.ended() for one in taken.values()))
