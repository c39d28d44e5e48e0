"""The calls of the demo: who says what, which keys they press, and what must come of it."""

import asyncio
import wave
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lab.phone import Call, CallEndedError, IncomingCall, OutgoingCall, Phone
from lab.site import REPOSITORY, Site
from lab.tones import await_tone

AGENT_HZ = 1300
DID = "0374800800"
TALK_SECONDS = 3.0
PROMPTS = REPOSITORY / "config/prompts/smart-eco-plus"


@dataclass
class Cast:
    """The phones of a story."""

    site: Site
    caller: Phone
    agent: Phone
    trunk: Phone
    at_trunk: dict[str, asyncio.Queue[IncomingCall]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )

    def __post_init__(self) -> None:
        """Sort the trunk's calls by the number that was dialled."""

        async def sort(call: IncomingCall) -> None:
            self.at_trunk[str(call.called_uri.user)].put_nowait(call)

        self.trunk.on_invite = sort

    async def trunk_call(self, number: str, within: float = 10.0) -> IncomingCall:
        """Wait for the call that reaches the trunk for this number."""
        async with asyncio.timeout(within):
            return await self.at_trunk[number].get()

    @property
    def server(self) -> str:
        """Where to send an INVITE."""
        return f"127.0.0.1:{self.site.ports.sip}"


Script = Callable[[Cast, str, int], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    """One call: its title, the customer's number and tone, its script, and what must follow."""

    title: str
    number: str
    tone_hz: int
    script: Script
    outcome: str
    recorded: bool


async def answer_as_agent(call: IncomingCall) -> None:
    """Ring shortly, answer, and talk until the other side hangs up."""
    await call.ring()
    await asyncio.sleep(0.3)
    await call.answer(AGENT_HZ)


async def inbound(cast: Cast, number: str, tone_hz: int) -> OutgoingCall:
    """Call the call centre; return once answered: now the notice plays."""
    call = await cast.caller.call(f"sip:{DID}@{cast.server}", tone_hz, user=number)
    await call.answered()
    return call


async def outbound(
    cast: Cast, number: str, tone_hz: int, *, prefix: str = "9", agent_hz: int = AGENT_HZ
) -> tuple[OutgoingCall, IncomingCall]:
    """Let the agent call a customer who answers; return both legs: now the prompt plays."""
    agent = await cast.agent.call(f"sip:{prefix}{number}@{cast.server}", agent_hz, user="agent")
    customer = await cast.trunk_call(number)
    await customer.ring()
    await customer.answer(tone_hz)
    return agent, customer


async def talk(call: Call, seconds: float = TALK_SECONDS) -> None:
    """Wait for the agent's voice, talk, and hang up."""
    await await_tone(call, AGENT_HZ, 45.0)
    await asyncio.sleep(seconds)
    await call.hang_up()


def seconds_of_prompt(name: str) -> float:
    """Return how long one of the shipped sound files is."""
    with wave.open(str(PROMPTS / f"{name}.wav")) as sound:
        return float(sound.getnframes() / sound.getframerate())


async def _accepted(cast: Cast, number: str, tone_hz: int) -> None:
    await talk(await inbound(cast, number, tone_hz))


async def _gone_in_the_notice(cast: Cast, number: str, tone_hz: int) -> None:
    call = await inbound(cast, number, tone_hz)
    await asyncio.sleep(2.0)
    await call.hang_up()


async def _opted_out(cast: Cast, number: str, tone_hz: int) -> None:
    call = await inbound(cast, number, tone_hz)
    await asyncio.sleep(2.0)
    await call.dtmf("2")
    await talk(call)


async def _agree(cast: Cast, number: str, tone_hz: int) -> IncomingCall:
    _, customer = await outbound(cast, number, tone_hz)
    await asyncio.sleep(seconds_of_prompt("outbound-information-ro") + 0.5)
    await customer.dtmf("1")
    return customer


async def _agreed(cast: Cast, number: str, tone_hz: int) -> None:
    await talk(await _agree(cast, number, tone_hz))


async def _refused(cast: Cast, number: str, tone_hz: int) -> None:
    _, customer = await outbound(cast, number, tone_hz)
    await asyncio.sleep(1.0)
    await customer.dtmf("2")
    await talk(customer)


async def _silent(cast: Cast, number: str, tone_hz: int) -> None:
    _, customer = await outbound(cast, number, tone_hz)
    await talk(customer)


async def _withdrawn(cast: Cast, number: str, tone_hz: int) -> None:
    customer = await _agree(cast, number, tone_hz)
    await await_tone(customer, AGENT_HZ, 45.0)
    await asyncio.sleep(TALK_SECONDS)
    await customer.dtmf("*9")
    await asyncio.sleep(TALK_SECONDS)
    await customer.hang_up()


async def _agent_gone(cast: Cast, number: str, tone_hz: int) -> None:
    agent, customer = await outbound(cast, number, tone_hz)
    await asyncio.sleep(2.0)
    await agent.hang_up()
    try:
        await customer.ended()
    except CallEndedError:
        return


STORIES = (
    Story("inbound, heard the notice and stayed", "0721000001", 700, _accepted, "recorded", True),
    Story(
        "inbound, hung up in the notice", "0721000002", 740, _gone_in_the_notice, "refused", False
    ),
    Story("inbound, pressed the opt-out key", "0721000003", 780, _opted_out, "refused", False),
    Story("outbound, pressed 1 to agree", "0721000004", 820, _agreed, "recorded", True),
    Story("outbound, pressed 2 to refuse", "0721000005", 860, _refused, "refused", False),
    Story("outbound, said nothing", "0721000006", 900, _silent, "refused", False),
    Story("outbound, agreed, later pressed *9", "0721000007", 940, _withdrawn, "withdrawn", True),
    Story("outbound, agent gone in the prompt", "0721000008", 980, _agent_gone, "refused", False),
)
