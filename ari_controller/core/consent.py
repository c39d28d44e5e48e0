"""The consent machine: `step(call, event, now) -> (call, commands)`.

Theory of operation. Every rule about consent stands in this file and nowhere else. A call is a
frozen value; an event gives the next value and the commands it calls for. Nothing here reads a
clock, waits or fails. Five rules:

1. Order is the safety argument. The fact that allows a recording is in the ledger before
   MixMonitor is started, and MixMonitor is stopped before the ledger hears of a withdrawal: a
   crash between any two commands leaves the person unrecorded or the file accounted for.
2. Silence, failure and doubt are refusals. A wrong key, a missing prompt, a lost link, a ledger
   that does not answer: not recorded.
3. Refused and withdrawn are final for the call: no way leads from UNRECORDED to STARTING.
4. An event without a case changes nothing and asks for nothing.
5. Whatever becomes of the recording, the call goes on: every way out of a waiting phase lets the
   channel continue, again and again until it has left (unless policy says to end the call).
"""

from dataclasses import replace

from ari_controller.core import statements as say
from ari_controller.core.call import ASKING, Call, Outcome, Phase
from ari_controller.core.commands import (
    AppendLedger,
    ArmTimeout,
    Command,
    ContinueInDialplan,
    EndCall,
    FinishRecording,
    HangUp,
    NoteInLedger,
    Play,
    StartMixMonitor,
    StopMixMonitor,
    StopPlayback,
    Subscribe,
    TellAgent,
)
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
from ari_controller.core.ledger import Statement
from ari_controller.core.model import (
    ConsentMode,
    Direction,
    Media,
    Notice,
    OnRefusal,
    OnWithdrawal,
    Policy,
)

# The switch and the daemon's own patience, both beyond the audio. The daemon's is the shorter, so
# that a lost event is answered by us and only a dead or hung daemon is answered by the dialplan.
SWITCH_MARGIN_SECONDS = 0.8
PLAYBACK_MARGIN_SECONDS = 0.6
RETRY_SECONDS = 1.0


Step = tuple[Call, list[Command]]


def step(call: Call, event: Event, now: float) -> Step:
    """Return the call after `event`, and the commands it calls for, in the order to carry out."""
    match call.phase, event:
        case Phase.NEW, CallEntered():
            return _enter(replace(call, in_stasis=True), now)
        case Phase.NEW, LedgerFailed():
            return _enter_without_books(replace(call, in_stasis=True), now)
        case Phase.UNRECORDED | Phase.RECORDING, CallEntered():
            # `continue` in Dial's U() may run Stasis once more (docs/asterisk.md).
            return _leave(replace(call, in_stasis=True), now)
        case Phase.STOPPING, CallEntered():
            return replace(call, in_stasis=True), []

        case Phase.INFORMATION, PlaybackFinished(playback_id, failed=False) if (
            playback_id == call.playback_id
        ):
            return _informed(call, now)
        case Phase.QUESTION, PlaybackFinished(playback_id, failed=False) if (
            playback_id == call.playback_id
        ):
            return _await_answer(call, now)
        case Phase.INFORMATION | Phase.QUESTION, PlaybackFinished(playback_id) if (
            playback_id == call.playback_id
        ):
            return _unasked(call, "notice_failed", now)
        case Phase.INFORMATION | Phase.QUESTION, DeadlinePassed():
            return _unasked(call, "notice_failed", now)

        case phase, ChannelDtmfReceived(digit) if phase in ASKING:
            return _key(call, digit, now)
        case Phase.GRACE, DeadlinePassed():
            return _given(call, say.implied(call), [])
        case Phase.ANSWER, DeadlinePassed():
            return _unanswered(call, "silence", now)
        case phase, LedgerFailed() if phase in ASKING:
            return _fail(call, "ledger_failed", now)
        case phase, AsteriskFailed() if phase in ASKING:
            return _unasked(call, "asterisk_failed", now)
        case phase, AsteriskLost(reason) if phase in ASKING:
            return _unasked(call, reason, now)
        case phase, ConsentWithdrawn() if phase in ASKING:
            return _refuse(call, "withdrawn_before_recording", now)
        case phase, AgentHungUp() if phase in ASKING:
            refused, commands = _refused(call, "agent_hung_up", now)
            return replace(refused, deadline=now + RETRY_SECONDS), [*commands, HangUp()]
        case phase, ChannelLeftStasis() if phase in ASKING:
            # Another hand moved it on: the dead-man's switch, the rescue process, a transfer.
            refused, commands = _refused(replace(call, in_stasis=False), "left_stasis", now)
            return refused, [*commands, *_tell(refused, False)]
        case phase, ChannelHangupRequest() if phase in ASKING:
            # Without this the playback that breaks off would pass for a notice that failed.
            refused, commands = _refused(call, "hung_up", now)
            return replace(refused, deadline=now + RETRY_SECONDS), commands
        case phase, ChannelDestroyed() if phase in ASKING:
            refused, commands = _refused(call, "hung_up", now)
            return _end(refused, commands)

        case Phase.STARTING, MixMonitorStarted():
            recording = replace(call, phase=Phase.RECORDING, outcome=Outcome.RECORDED, reason="")
            return _leave(recording, now)
        case Phase.STARTING, MixMonitorFailed(reason):
            return _fail(call, reason, now)
        case Phase.STARTING, LedgerFailed():
            return _fail(call, "ledger_failed", now)
        case Phase.STARTING, AsteriskFailed():
            return _fail(call, "asterisk_failed", now)
        case Phase.STARTING, ChannelLeftStasis():
            return replace(call, in_stasis=False), []

        case Phase.STARTING | Phase.RECORDING, ConsentWithdrawn(via, author, reason):
            told = replace(call, withdrawal_author=author, withdrawal_reason=reason)
            return _withdraw(told, via)
        case Phase.STARTING | Phase.RECORDING, ChannelDtmfReceived(digit):
            return _key_while_recording(call, digit)
        case Phase.STARTING | Phase.RECORDING, ChannelDestroyed():
            finish: list[Command] = [FinishRecording("hang_up", destroy=False)]
            return _end(replace(call, outcome=Outcome.RECORDED, reason="hang_up"), finish)

        case Phase.STOPPING, MixMonitorStopped():
            commands = [*_note_withdrawal(call), _finish_withdrawn(call)]
            stopped = replace(call, phase=Phase.UNRECORDED, deadline=None, withdrawal_noted=True)
            if not call.in_stasis:
                return stopped, [*commands, *_tell(stopped, False)]
            left, leave = _leave(stopped, now)
            return left, [*commands, *leave]
        case Phase.STOPPING, AsteriskFailed():
            retry = replace(call, deadline=now + RETRY_SECONDS, withdrawal_noted=True)
            return retry, _note_withdrawal(call)
        case Phase.STOPPING, DeadlinePassed():
            return replace(call, deadline=None), [StopMixMonitor()]
        case Phase.STOPPING, ChannelDestroyed():
            return _end(call, [*_note_withdrawal(call), _finish_withdrawn(call)])

        case ((Phase.RECORDING | Phase.UNRECORDED), DeadlinePassed()) if call.in_stasis:
            return _leave(call, now)
        case Phase.UNRECORDED, AsteriskFailed(command) if command != "ContinueInDialplan":
            return _leave(call, now)
        case Phase.STOPPING, ChannelLeftStasis():
            return replace(call, in_stasis=False), []
        case ((Phase.RECORDING | Phase.UNRECORDED), ChannelLeftStasis()) if call.in_stasis:
            return _left(call)
        case ((Phase.NEW | Phase.UNRECORDED), ChannelDestroyed()):
            return _end(call, [])
        case _:
            return call, []


def _enter(call: Call, now: float) -> Step:
    """Begin with what the policy asks for."""
    policy = call.policy
    if policy is None or policy.mode is ConsentMode.NEVER:
        reason = call.bar or "policy_never"
        barred = replace(call, outcome=Outcome.NOT_RECORDED, reason=reason)
        left, commands = _leave(replace(barred, phase=Phase.UNRECORDED), now)
        return left, [*_watch(call), NoteInLedger(say.not_recorded(barred)), *commands]
    if policy.mode is ConsentMode.NONE_REQUIRED:
        return _given(call, say.permitted(call), _watch(call))
    overall = now + policy.overall_timeout_seconds
    informing = replace(call, phase=Phase.INFORMATION, overall_deadline=overall)
    playing, commands = _play(informing, _notice(call).information, now)
    return playing, [*_watch(call), *commands]


def _enter_without_books(call: Call, now: float) -> Step:
    # The store did not answer: nothing is asked, but the call's end must still be heard of.
    failed, commands = _fail(call, "ledger_failed", now)
    return failed, [*_watch(call), *commands]


def _watch(call: Call) -> list[Command]:
    """Both legs: the agent's hang-up in the prompt is seen in no other way (docs/asterisk.md)."""
    legs = [call.facts.channel_id, call.facts.agent_channel_id]
    return [Subscribe(leg) for leg in legs if leg is not None]


def _play(call: Call, media: Media, now: float) -> Step:
    playing = replace(
        call,
        playbacks=call.playbacks + 1,
        playing_since=now,
        deadline=now + media.duration_seconds + PLAYBACK_MARGIN_SECONDS,
    )
    arm = _arm(call, media.duration_seconds)
    return playing, [*arm, Play(playing.playback_id, media)]


def _arm(call: Call, seconds: float) -> list[Command]:
    # In Dial's U() a time-out would hang the call up: there the rescue process stands guard.
    if call.facts.direction is Direction.OUTBOUND:
        return []
    return [ArmTimeout(seconds + SWITCH_MARGIN_SECONDS)]


def _informed(call: Call, now: float) -> Step:
    # The information part was played in full (N1, N2): only now can anything count as a yes.
    played = AppendLedger(say.notice_played(call))
    policy, question = _policy(call), _notice(call).question
    if policy.mode is ConsentMode.IMPLIED:
        grace = replace(
            call, phase=Phase.GRACE, deadline=now + policy.grace_seconds, playing_since=None
        )
        return grace, [*_arm(call, policy.grace_seconds), played]
    if question is None:
        return _unasked(call, "no_question", now)
    asking = replace(call, phase=Phase.QUESTION, asked=1)
    playing, commands = _play(asking, question, now)
    return playing, [played, *commands]


def _await_answer(call: Call, now: float) -> Step:
    timeout = _policy(call).first_digit_timeout_seconds
    deadline = min(now + timeout, call.overall_deadline or now)
    waiting = replace(call, phase=Phase.ANSWER, deadline=deadline, playing_since=None)
    return waiting, _arm(call, deadline - now)


def _key(call: Call, digit: str, now: float) -> Step:
    # The refusing key counts at once, the agreeing one only after the information part (N2).
    policy = _policy(call)
    if policy.mode is ConsentMode.IMPLIED:
        if digit in policy.opt_out_keys:
            return _refuse(replace(call, keys=digit), "opted_out", now)
        return call, []
    if digit in policy.refuse_keys:
        return _refuse(replace(call, keys=digit), "refusing_key", now)
    if call.phase is Phase.INFORMATION:
        return call, []
    if digit == policy.agree_key:
        stop = _stop_playback(call)
        return _given(replace(call, keys=digit), say.agreed(replace(call, keys=digit)), stop)
    return _unanswered(replace(call, keys=digit), "wrong_key", now)


def _unanswered(call: Call, reason: str, now: float) -> Step:
    """Ask again while policy and the overall time allow; then it is a refusal (N2)."""
    question = _notice(call).question
    again = call.asked <= _policy(call).repeats and now < (call.overall_deadline or now)
    if question is None or not again:
        return _refuse(call, reason, now)
    stop = _stop_playback(call)
    asking = replace(call, phase=Phase.QUESTION, asked=call.asked + 1, keys="")
    playing, commands = _play(asking, question, now)
    return playing, [*stop, *commands]


def _stop_playback(call: Call) -> list[Command]:
    playing = call.phase in (Phase.INFORMATION, Phase.QUESTION)
    return [StopPlayback(call.playback_id)] if playing else []


def _given(call: Call, allows: Statement, before: list[Command]) -> Step:
    # The one way to StartMixMonitor: behind the fact that allows it (rule 1).
    starting = replace(call, phase=Phase.STARTING, deadline=None, playing_since=None, keys="")
    return starting, [*before, AppendLedger(allows), StartMixMonitor()]


def _refuse(call: Call, reason: str, now: float) -> Step:
    # The person refused: policy says what becomes of the call.
    if _policy(call).on_refusal is not OnRefusal.END_CALL:
        return _unasked(call, reason, now)
    refused, commands = _refused(call, reason, now)
    return replace(refused, deadline=now + RETRY_SECONDS), [*commands, HangUp()]


def _unasked(call: Call, reason: str, now: float) -> Step:
    # Nobody said no, but it counts as a refusal (rule 2); the call goes on (rule 5).
    refused, commands = _refused(call, reason, now)
    left, leave = _leave(refused, now)
    return left, [*commands, *_stop_playback(call), *leave]


def _refused(call: Call, reason: str, now: float) -> Step:
    """Make the refusal final and write it down; what becomes of the call is the caller's."""
    refused = replace(
        call, phase=Phase.UNRECORDED, outcome=Outcome.REFUSED, reason=reason, deadline=None
    )
    noted = NoteInLedger(say.refused(replace(call, reason=reason), now))
    return refused, [noted]


def _fail(call: Call, reason: str, now: float) -> Step:
    # Something of ours broke: the call goes on whatever policy says of refusals; nobody refused.
    failed = replace(call, phase=Phase.UNRECORDED, outcome=Outcome.FAILED, reason=reason)
    left, commands = _leave(failed, now)
    if not call.in_stasis:
        commands = _tell(failed, False)
    return left, [NoteInLedger(say.failed(failed)), *_stop_playback(call), *commands]


def _leave(call: Call, now: float) -> Step:
    """Send the channel on, and look again later whether it went."""
    if not call.in_stasis:
        return replace(call, deadline=None), []
    go = ContinueInDialplan(call.phase is Phase.RECORDING, call.reason or call.outcome.value)
    return replace(call, deadline=now + RETRY_SECONDS, let_go=True), [go]


def _left(call: Call) -> Step:
    # Bridged a moment later, unless it left because somebody hung up.
    told = _tell(call, call.phase is Phase.RECORDING) if call.let_go else []
    return replace(call, in_stasis=False, deadline=None), told


def _withdraw(call: Call, via: str) -> Step:
    stopping = replace(
        call, phase=Phase.STOPPING, outcome=Outcome.WITHDRAWN, reason=via, deadline=None
    )
    return stopping, [StopMixMonitor()]


def _note_withdrawal(call: Call) -> list[Command]:
    return [] if call.withdrawal_noted else [NoteInLedger(say.withdrawn(call))]


def _finish_withdrawn(call: Call) -> Command:
    destroy = _policy(call).on_withdrawal is OnWithdrawal.DESTROY
    return FinishRecording("withdrawn", destroy)


def _key_while_recording(call: Call, digit: str) -> Step:
    """Follow the withdrawal sequence (N3): ARI reports keys in queue, on hold and while ringing."""
    sequence = _policy(call).withdrawal_keys
    keys = (call.keys + digit)[-len(sequence) :]
    if keys == sequence:
        return _withdraw(replace(call, keys=""), "key")
    return replace(call, keys=keys), []


def _tell(call: Call, recorded: bool) -> list[Command]:
    wanted = call.policy is not None and call.policy.agent_tone
    return [TellAgent(recorded)] if call.facts.agent_channel_id and wanted else []


def _end(call: Call, commands: list[Command]) -> Step:
    ended = replace(call, phase=Phase.ENDED, deadline=None, in_stasis=False)
    reason = call.reason or "hung_up"
    return ended, [*commands, EndCall(ended.outcome.value, reason)]


def _policy(call: Call) -> Policy:
    if call.policy is None:
        raise AssertionError("no phase but NEW and UNRECORDED is reached without a policy")
    return call.policy


def _notice(call: Call) -> Notice:
    notice = _policy(call).notice
    if notice is None:
        raise AssertionError("config refuses a policy that asks without a notice")
    return notice
