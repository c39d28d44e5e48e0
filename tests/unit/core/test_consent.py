"""Scripts: a call told event by event, with the commands and the phase that must follow."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ari_controller.core.call import Call, Outcome, Phase
from ari_controller.core.commands import (
    AppendLedger,
    Command,
    ContinueInDialplan,
    FinishRecording,
    NoteInLedger,
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
from ari_controller.core.ledger import Fact
from ari_controller.core.model import ConsentMode, OnRefusal, OnWithdrawal
from tests.unit.core.calls import inbound, outbound

NOTICE_OVER = PlaybackFinished("call.1")
QUESTION_OVER = PlaybackFinished("call.2")
STARTED: list[Event] = [CallEntered(), NOTICE_OVER, DeadlinePassed(), MixMonitorStarted()]
ASKED: list[Event] = [CallEntered(), NOTICE_OVER, QUESTION_OVER]
AGREED: list[Event] = [CallEntered(), NOTICE_OVER, ChannelDtmfReceived("1"), MixMonitorStarted()]


def tell(call: Call, events: Sequence[Event], now: float = 0.0) -> tuple[Call, list[Command]]:
    """Run events one second apart; return the call and the last event's commands."""
    commands: list[Command] = []
    for event in events:
        now += 1
        call, commands = step(call, event, now)
    return call, commands


def words(commands: Sequence[Command]) -> list[str]:
    """Commands by name, ledger commands by their fact."""
    return [
        command.statement.fact.value
        if isinstance(command, AppendLedger | NoteInLedger)
        else type(command).__name__
        for command in commands
    ]


def test_inbound_plays_the_notice_with_the_switch_armed_first() -> None:
    call, commands = tell(inbound(), [CallEntered()])
    assert words(commands) == ["Subscribe", "ArmTimeout", "Play"]
    assert call.phase is Phase.INFORMATION


def test_implied_consent_needs_the_whole_notice_and_the_grace_time() -> None:
    call, commands = tell(inbound(), [CallEntered(), NOTICE_OVER])
    assert (call.phase, words(commands)) == (Phase.GRACE, ["ArmTimeout", "notice_played"])
    assert call.deadline == pytest.approx(2.5)
    call, commands = tell(call, [DeadlinePassed()])
    assert (call.phase, words(commands)) == (Phase.STARTING, ["consent_given", "StartMixMonitor"])


def test_implied_consent_is_written_down_as_what_was_done() -> None:
    _, commands = tell(inbound(), STARTED[:3])
    allows = commands[0]
    assert isinstance(allows, AppendLedger)
    assert allows.statement.public["evidence"] == "notice played in full, call continued"
    assert "key" not in allows.statement.public


def test_a_started_recording_lets_the_call_go_on() -> None:
    call, commands = tell(inbound(), STARTED)
    assert commands == [ContinueInDialplan(recorded=True, result="recorded")]
    assert (call.phase, call.outcome) == (Phase.RECORDING, Outcome.RECORDED)


@pytest.mark.parametrize("told", [1, 2])
def test_the_opt_out_key_counts_in_the_notice_and_in_the_grace_time(told: int) -> None:
    call, commands = tell(inbound(), [*STARTED[:told], ChannelDtmfReceived("2")])
    assert words(commands)[0] == "consent_refused"
    assert words(commands)[-1] == "ContinueInDialplan"
    assert (call.outcome, call.reason) == (Outcome.REFUSED, "opted_out")


def test_another_key_in_the_notice_is_no_opt_out() -> None:
    call, commands = tell(inbound(), [CallEntered(), ChannelDtmfReceived("5")])
    assert (call.phase, commands) == (Phase.INFORMATION, [])


def test_outbound_watches_both_legs_and_arms_no_switch_inside_dial() -> None:
    call, commands = tell(outbound(), [CallEntered()])
    assert words(commands) == ["Subscribe", "Subscribe", "Play"]
    assert call.phase is Phase.INFORMATION


def test_an_agreeing_key_before_the_information_is_over_is_discarded() -> None:
    call, commands = tell(outbound(), [CallEntered(), ChannelDtmfReceived("1")])
    assert (call.phase, commands) == (Phase.INFORMATION, [])
    call, _ = tell(call, [NOTICE_OVER, QUESTION_OVER])
    assert call.phase is Phase.ANSWER


def test_a_refusing_key_counts_at_once() -> None:
    call, commands = tell(outbound(), [CallEntered(), ChannelDtmfReceived("2")])
    assert words(commands) == ["consent_refused", "StopPlayback", "ContinueInDialplan"]
    assert call.reason == "refusing_key"


def test_an_agreeing_key_during_the_question_counts() -> None:
    call, commands = tell(outbound(), AGREED[:3])
    assert words(commands) == ["StopPlayback", "consent_given", "StartMixMonitor"]
    assert call.phase is Phase.STARTING


def test_silence_is_not_consent() -> None:
    asked_twice: list[Event] = [CallEntered(), NOTICE_OVER, QUESTION_OVER, DeadlinePassed()]
    call, commands = tell(outbound(), asked_twice)
    assert (call.phase, words(commands)) == (Phase.QUESTION, ["Play"])
    call, commands = tell(call, [PlaybackFinished("call.3"), DeadlinePassed()])
    assert (call.outcome, call.reason) == (Outcome.REFUSED, "silence")


def test_the_overall_timeout_ends_the_asking_whatever_repeats_are_left() -> None:
    waiting, _ = tell(outbound(repeats=5), [CallEntered(), NOTICE_OVER, QUESTION_OVER])
    assert waiting.overall_deadline == pytest.approx(31.0)
    call, _ = step(waiting, DeadlinePassed(), 31.0)
    assert call.reason == "silence"


def test_a_wrong_key_asks_again_and_then_refuses() -> None:
    call, commands = tell(outbound(), [CallEntered(), NOTICE_OVER, ChannelDtmfReceived("7")])
    assert (call.phase, words(commands)) == (Phase.QUESTION, ["StopPlayback", "Play"])
    call, _ = tell(call, [ChannelDtmfReceived("8")])
    assert (call.outcome, call.reason) == (Outcome.REFUSED, "wrong_key")


def test_a_stale_playback_says_nothing_about_the_present_one() -> None:
    asked_again: list[Event] = [CallEntered(), NOTICE_OVER, ChannelDtmfReceived("7"), QUESTION_OVER]
    call, commands = tell(outbound(), asked_again)
    assert (call.phase, commands) == (Phase.QUESTION, [])


@pytest.mark.parametrize("failure", [PlaybackFinished("call.1", failed=True), DeadlinePassed()])
def test_a_notice_that_was_not_played_is_a_refusal(failure: Event) -> None:
    call, commands = tell(inbound(), [CallEntered(), failure])
    assert (call.outcome, call.reason) == (Outcome.REFUSED, "notice_failed")
    assert words(commands)[-1] == "ContinueInDialplan"


@pytest.mark.parametrize("told", [1, 2, 3])
@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (LedgerFailed(), Outcome.FAILED),
        (AsteriskFailed("Play"), Outcome.REFUSED),
        (AsteriskLost(), Outcome.REFUSED),
    ],
)
def test_trouble_while_asking_means_unrecorded_and_the_call_goes_on(
    told: int, trouble: Event, outcome: Outcome
) -> None:
    told_so_far = ASKED[:told]
    call, commands = tell(outbound(), [*told_so_far, trouble])
    assert (call.phase, call.outcome) == (Phase.UNRECORDED, outcome)
    assert words(commands)[-1] == "ContinueInDialplan"


def test_a_ledger_that_does_not_take_the_consent_means_no_recording() -> None:
    call, commands = tell(inbound(), [*STARTED[:3], LedgerFailed()])
    assert (call.phase, call.reason) == (Phase.UNRECORDED, "ledger_failed")
    assert words(commands) == ["not_recorded", "ContinueInDialplan"]


def test_a_store_that_is_silent_at_the_door_asks_nothing() -> None:
    call, commands = tell(inbound(), [LedgerFailed()])
    assert words(commands) == ["Subscribe", "not_recorded", "ContinueInDialplan"]
    assert call.phase is Phase.UNRECORDED


def test_a_mixmonitor_that_does_not_start_means_unrecorded() -> None:
    call, commands = tell(inbound(), [*STARTED[:3], MixMonitorFailed("no_file")])
    assert (call.outcome, call.reason) == (Outcome.FAILED, "no_file")
    assert words(commands) == ["not_recorded", "ContinueInDialplan"]


@pytest.mark.parametrize("told", [1, 2, 3])
def test_an_agent_who_hangs_up_in_the_prompt_ends_it_unrecorded(told: int) -> None:
    told_so_far = ASKED[:told]
    call, commands = tell(outbound(), [*told_so_far, AgentHungUp()])
    assert words(commands)[-1] == "HangUp"
    assert (call.outcome, call.reason) == (Outcome.REFUSED, "agent_hung_up")


@pytest.mark.parametrize("told", [1, 2])
def test_a_caller_who_hangs_up_before_consent_ends_it_unrecorded(told: int) -> None:
    call, commands = tell(inbound(), [*STARTED[:told], ChannelDestroyed()])
    assert words(commands)[0] == "consent_refused"
    assert words(commands)[-1] == "EndCall"
    assert call.reason == "hung_up"


def test_a_playback_broken_off_by_a_hang_up_is_no_failed_notice() -> None:
    broken_off: list[Event] = [ChannelHangupRequest(), PlaybackFinished("call.1", failed=True)]
    call, _ = tell(inbound(), [CallEntered(), *broken_off, ChannelDestroyed()])
    assert (call.phase, call.outcome, call.reason) == (Phase.ENDED, Outcome.REFUSED, "hung_up")


@pytest.mark.parametrize("told", [1, 2])
def test_a_channel_that_left_without_us_is_never_recorded(told: int) -> None:
    call, commands = tell(inbound(), [*STARTED[:told], ChannelLeftStasis()])
    assert "ContinueInDialplan" not in words(commands)
    call, commands = tell(call, [NOTICE_OVER, DeadlinePassed()])
    assert (call.phase, commands) == (Phase.UNRECORDED, [])


def test_a_refusal_ends_the_call_only_where_policy_says_so() -> None:
    call, commands = tell(
        outbound(on_refusal=OnRefusal.END_CALL), [CallEntered(), ChannelDtmfReceived("2")]
    )
    assert words(commands)[-1] == "HangUp"
    assert "ContinueInDialplan" not in words(commands)
    assert call.phase is Phase.UNRECORDED


@pytest.mark.parametrize(
    "trouble",
    [PlaybackFinished("call.1", failed=True), AsteriskFailed("Play"), AsteriskLost()],
)
def test_a_person_who_could_not_be_asked_keeps_their_call(trouble: Event) -> None:
    ending = outbound(on_refusal=OnRefusal.END_CALL)
    call, commands = tell(ending, [CallEntered(), trouble])
    assert words(commands)[-1] == "ContinueInDialplan"
    assert call.outcome is Outcome.REFUSED


def test_trouble_of_ours_never_ends_the_call() -> None:
    call, commands = tell(
        inbound(on_refusal=OnRefusal.END_CALL), [*STARTED[:3], MixMonitorFailed("no_file")]
    )
    assert words(commands)[-1] == "ContinueInDialplan"
    assert call.in_stasis


def test_a_call_that_did_not_leave_is_sent_on_again() -> None:
    call, _ = tell(inbound(), [*STARTED[:2], ChannelDtmfReceived("2"), AsteriskFailed("X")])
    call, commands = tell(call, [DeadlinePassed()])
    assert words(commands) == ["ContinueInDialplan"]
    call, commands = tell(call, [ChannelLeftStasis(), DeadlinePassed()])
    assert (call.deadline, commands) == (None, [])


def test_a_second_stasis_start_is_let_through() -> None:
    call, commands = tell(inbound(), [*STARTED, ChannelLeftStasis(), CallEntered()])
    assert words(commands) == ["ContinueInDialplan"]
    assert call.phase is Phase.RECORDING


def test_the_withdrawal_keys_stop_before_the_ledger_hears() -> None:
    keys: list[Event] = [ChannelDtmfReceived("*"), ChannelDtmfReceived("9")]
    call, commands = tell(inbound(), [*STARTED, ChannelLeftStasis(), *keys])
    assert (call.phase, words(commands)) == (Phase.STOPPING, ["StopMixMonitor"])
    call, commands = tell(call, [MixMonitorStopped()])
    assert words(commands) == ["consent_withdrawn", "FinishRecording"]
    assert (call.phase, call.outcome) == (Phase.UNRECORDED, Outcome.WITHDRAWN)


@pytest.mark.parametrize("keys", ["9*", "*8", "*", "99"])
def test_other_keys_do_not_withdraw(keys: str) -> None:
    call, _ = tell(inbound(), [*STARTED, *[ChannelDtmfReceived(key) for key in keys]])
    assert call.phase is Phase.RECORDING


@pytest.mark.parametrize(
    ("policy", "destroy"), [(OnWithdrawal.KEEP, False), (OnWithdrawal.DESTROY, True)]
)
def test_the_part_before_a_withdrawal_is_kept_or_destroyed_by_policy(
    policy: OnWithdrawal, destroy: bool
) -> None:
    withdrawn: list[Event] = [*STARTED, ConsentWithdrawn("feature"), MixMonitorStopped()]
    _, commands = tell(inbound(on_withdrawal=policy), withdrawn)
    assert FinishRecording("withdrawn", destroy) in commands


def test_who_noted_a_withdrawal_is_in_the_erasable_part_of_its_entry() -> None:
    noted = ConsentWithdrawn("api", "dpo", "asked by telephone")
    _, commands = tell(inbound(), [*STARTED, noted, MixMonitorStopped()])
    entry = commands[0]
    assert isinstance(entry, NoteInLedger)
    assert entry.statement.personal["author"] == "dpo"
    assert "asked by telephone" not in str(entry.statement.public)


def test_a_stop_that_fails_is_tried_again_and_the_withdrawal_noted_once() -> None:
    call, commands = tell(inbound(), [*STARTED, ConsentWithdrawn("api"), AsteriskFailed("Stop")])
    assert words(commands) == ["consent_withdrawn"]
    call, commands = tell(call, [DeadlinePassed()])
    assert words(commands) == ["StopMixMonitor"]
    call, commands = tell(call, [MixMonitorStopped()])
    assert "consent_withdrawn" not in words(commands)
    assert "FinishRecording" in words(commands)


def test_a_recording_ends_with_its_channel() -> None:
    call, commands = tell(inbound(), [*STARTED, ChannelLeftStasis(), ChannelDestroyed()])
    assert words(commands) == ["FinishRecording", "EndCall"]
    assert (call.phase, call.outcome) == (Phase.ENDED, Outcome.RECORDED)


def test_the_agent_is_told_once_that_the_call_is_recorded() -> None:
    call, commands = tell(outbound(), [*AGREED, ChannelLeftStasis()])
    assert words(commands) == ["TellAgent"]
    _, commands = tell(call, [ChannelLeftStasis()])
    assert commands == []


def test_the_agent_is_told_that_a_refused_call_is_not_recorded() -> None:
    refused: list[Event] = [
        CallEntered(),
        ChannelDtmfReceived("2"),
        ChannelLeftStasis(),
    ]
    _, commands = tell(outbound(), refused)
    assert [command.recorded for command in commands] == [False]  # type: ignore[union-attr]


def test_the_agent_is_told_of_a_call_that_went_on_without_us() -> None:
    _, commands = tell(outbound(), [CallEntered(), ChannelLeftStasis()])
    assert words(commands) == ["consent_refused", "TellAgent"]
    late: list[Event] = [*AGREED[:-1], ChannelLeftStasis(), MixMonitorFailed("fenced_late")]
    _, commands = tell(outbound(), late)
    assert words(commands) == ["not_recorded", "TellAgent"]


def test_the_agent_of_a_call_that_was_hung_up_is_told_nothing() -> None:
    for happened in (AgentHungUp(), ChannelHangupRequest()):
        _, commands = tell(outbound(), [CallEntered(), happened, ChannelLeftStasis()])
        assert commands == []
    ending = outbound(on_refusal=OnRefusal.END_CALL)
    _, commands = tell(ending, [CallEntered(), ChannelDtmfReceived("2"), ChannelLeftStasis()])
    assert commands == []


def test_the_agent_is_told_of_a_withdrawal() -> None:
    bridged: list[Event] = [*AGREED, ChannelLeftStasis()]
    _, commands = tell(outbound(), [*bridged, ConsentWithdrawn("feature"), MixMonitorStopped()])
    assert words(commands)[-1] == "TellAgent"


def test_a_stated_legal_basis_records_without_asking() -> None:
    call, commands = tell(
        inbound(mode=ConsentMode.NONE_REQUIRED, legal_basis="legal-obligation"), [CallEntered()]
    )
    assert words(commands) == ["Subscribe", "recording_permitted", "StartMixMonitor"]
    assert call.phase is Phase.STARTING


@pytest.mark.parametrize("bar", ["do_not_record", "no_policy"])
def test_without_a_policy_nothing_is_asked_and_nothing_recorded(bar: str) -> None:
    call, commands = tell(replace(inbound(), policy=None, bar=bar), [CallEntered()])
    assert words(commands) == ["Subscribe", "not_recorded", "ContinueInDialplan"]
    assert (call.outcome, call.reason) == (Outcome.NOT_RECORDED, bar)


def test_mode_never_is_not_recorded() -> None:
    call, _ = tell(inbound(mode=ConsentMode.NEVER), [CallEntered()])
    assert (call.outcome, call.reason) == (Outcome.NOT_RECORDED, "policy_never")


def test_a_refusal_says_how_much_of_the_notice_was_played() -> None:
    call, _ = step(inbound(), CallEntered(), 10.0)
    _, commands = step(call, ChannelDtmfReceived("2"), 11.25)
    refusal = commands[0]
    assert isinstance(refusal, NoteInLedger)
    assert refusal.statement.fact is Fact.CONSENT_REFUSED
    assert refusal.statement.public["last_playback_ms"] == 1250
    assert refusal.statement.public["notice_version"] == "1"
