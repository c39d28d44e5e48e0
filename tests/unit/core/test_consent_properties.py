"""Any order of events, with any command failing: the five rules hold.

`World` carries commands out as the dispatcher does, in order and stopping at the first failure, on
a pretended Asterisk and ledger that fail when Hypothesis says so.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from ari_controller.core.call import Call, Phase
from ari_controller.core.commands import (
    AppendLedger,
    Command,
    ContinueInDialplan,
    EndCall,
    FinishRecording,
    HangUp,
    NoteInLedger,
    StartMixMonitor,
    StopMixMonitor,
)
from ari_controller.core.consent import step
from ari_controller.core.events import (
    AgentHungUp,
    AsteriskFailed,
    AsteriskLost,
    CallEntered,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    ChannelLeftStasis,
    ConsentWithdrawn,
    DeadlinePassed,
    Event,
    LedgerFailed,
    MixMonitorFailed,
    MixMonitorStarted,
    MixMonitorStopped,
    PlaybackFinished,
)
from ari_controller.core.ledger import ALLOWING, FORBIDDING, Fact
from ari_controller.core.model import ConsentMode, OnRefusal, OnWithdrawal
from tests.unit.core.calls import inbound, outbound

Fails = st.sampled_from([False, False, False, True])


@dataclass
class World:
    """What the commands have done so far."""

    call: Call
    fails: st.DataObject
    now: float = 0.0
    ledger: list[Fact] = field(default_factory=list)
    running: bool = False
    ever_started: bool = False
    finished: int = 0
    ended: int = 0
    alive: bool = True

    def happen(self, event: Event) -> None:
        """Feed an event, and what its commands bring about."""
        events = deque([event])
        while events:
            self.now += 0.5
            self.call, commands = step(self.call, events.popleft(), self.now)
            for command in commands:
                result = self._carry_out(command)
                if result is not None:
                    events.append(result)
                if isinstance(result, LedgerFailed | AsteriskFailed):
                    break

    def _carry_out(self, command: Command) -> Event | None:
        if self.ended and not isinstance(command, NoteInLedger):
            raise AssertionError("a command for a call that has ended")
        match command:
            case AppendLedger(statement):
                if self.fails.draw(Fails, "ledger"):
                    return LedgerFailed()
                self.ledger.append(statement.fact)
            case NoteInLedger(statement):
                self.ledger.append(statement.fact)
            case StartMixMonitor():
                return self._start()
            case StopMixMonitor():
                if self.alive and self.fails.draw(Fails, "stop"):
                    return AsteriskFailed("StopMixMonitor")
                self.running = False
                return MixMonitorStopped()
            case FinishRecording():
                assert not (self.running and self.alive), "closed the books of a running recording"
                self.finished += 1
            case EndCall():
                self.ended += 1
            case ContinueInDialplan() | HangUp():
                assert self.call.in_stasis or isinstance(command, HangUp)
                if self.fails.draw(Fails, "go on"):
                    return AsteriskFailed(type(command).__name__)
            case _:
                if self.fails.draw(Fails, "asterisk"):
                    return AsteriskFailed(type(command).__name__)
        return None

    def _start(self) -> Event:
        assert ALLOWING & set(self.ledger), "no fact allows this recording"
        assert not FORBIDDING & set(self.ledger), "refused and withdrawn are final"
        assert not self.ever_started, "a call is recorded once"
        if self.fails.draw(Fails, "start"):
            return MixMonitorFailed("no_file")
        self.running = self.ever_started = True
        return MixMonitorStarted()


def events(call_id: str) -> st.SearchStrategy[Event]:
    """Return any event; playbacks mostly the present one."""
    playbacks = st.builds(
        PlaybackFinished, st.sampled_from([f"{call_id}.{n}" for n in range(1, 5)]), st.booleans()
    )
    keys = st.builds(ChannelDtmfReceived, st.sampled_from(["1", "2", "*", "9", "5", "#"]))
    plain: list[Event] = [
        CallEntered(),
        DeadlinePassed(),
        DeadlinePassed(),
        ChannelLeftStasis(),
        ChannelHangupRequest(),
        ChannelDestroyed(),
        AgentHungUp(),
        ConsentWithdrawn("api"),
        LedgerFailed(),
        AsteriskFailed("Play"),
        AsteriskLost(),
    ]
    return st.one_of(playbacks, keys, st.sampled_from(plain))


calls = st.builds(
    lambda make, **policy: make(**policy),
    st.sampled_from([inbound, outbound]),
    mode=st.sampled_from(list(ConsentMode)),
    on_refusal=st.sampled_from(list(OnRefusal)),
    on_withdrawal=st.sampled_from(list(OnWithdrawal)),
    repeats=st.integers(0, 2),
)


def live(data: st.DataObject) -> World:
    """Begin a call and let anything happen to it; destroyed only at most once, as in Asterisk."""
    world = World(data.draw(calls), data)
    world.happen(CallEntered())
    for event in data.draw(st.lists(events("call"), max_size=25)):
        if isinstance(event, ChannelDestroyed):
            world.alive = False
            world.running = False
        world.happen(event)
        if not world.alive:
            break
    return world


@given(st.data())
def test_no_order_of_events_starts_a_recording_without_its_fact_or_after_a_refusal(
    data: st.DataObject,
) -> None:
    live(data)  # World asserts it at every StartMixMonitor


@given(st.data())
def test_every_started_recording_is_stopped_or_ends_with_its_channel(data: st.DataObject) -> None:
    world = live(data)
    if world.alive:
        world.alive = world.running = False
        world.happen(ChannelDestroyed())
    assert world.call.phase is Phase.ENDED
    assert world.ended == 1
    assert world.finished == (1 if world.ever_started else 0)


@given(st.data())
def test_a_withdrawn_recording_is_stopped_once_asterisk_answers(data: st.DataObject) -> None:
    world = live(data)
    if world.call.phase is Phase.RECORDING:
        world.happen(ConsentWithdrawn("api"))
    for _ in range(20):
        if world.call.phase is Phase.STOPPING:
            world.happen(DeadlinePassed())
    if Fact.CONSENT_WITHDRAWN in world.ledger and world.call.phase is not Phase.STOPPING:
        assert not world.running


@given(st.data())
def test_a_waiting_channel_is_always_woken_again(data: st.DataObject) -> None:
    world = live(data)
    if world.alive and world.call.in_stasis and world.call.phase is not Phase.ENDED:
        assert world.call.deadline is not None, "nothing would ever let this call go on"


@given(st.data())
def test_an_ended_call_asks_for_nothing(data: st.DataObject) -> None:
    world = live(data)
    ended = replace(world.call, phase=Phase.ENDED, deadline=None)
    for event in data.draw(st.lists(events("call"), max_size=5)):
        assert step(ended, event, world.now) == (ended, [])
