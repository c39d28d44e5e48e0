"""The words in which consent is written down: one ledger statement per fact of a call.

`public` is what stays for ever and names nobody; `personal` is erasable and enters the chain only
as a salted commitment (docs/ledger.md). Times played are whole milliseconds: the ledger has no
floats.
"""

from typing import TYPE_CHECKING

from ari_controller.core.ledger import Fact, Statement
from ari_controller.core.model import ConsentMode

if TYPE_CHECKING:
    from ari_controller.core.call import Call


def notice_played(call: "Call") -> Statement:
    """State that the information part was played in full (N1, N12)."""
    return _statement(call, Fact.NOTICE_PLAYED, _notice(call))


def implied(call: "Call") -> Statement:
    """State implied consent as what was done, not as a yes that nobody said (N7)."""
    evidence = "notice played in full, call continued"
    return _statement(call, Fact.CONSENT_GIVEN, {"evidence": evidence, **_notice(call)})


def agreed(call: "Call") -> Statement:
    """State consent by key, after the information part (N2)."""
    asked = {"evidence": "agreeing key after the information part", "asked": call.asked}
    return _statement(call, Fact.CONSENT_GIVEN, {**asked, "key": call.keys, **_notice(call)})


def permitted(call: "Call") -> Statement:
    """State that policy names another legal basis than consent (N7)."""
    return _statement(call, Fact.RECORDING_PERMITTED, {"evidence": "stated legal basis"})


def not_recorded(call: "Call") -> Statement:
    """State that nobody was asked: policy, the register (N4), or no rule for the call."""
    return _statement(call, Fact.NOT_RECORDED, {"reason": call.reason})


def refused(call: "Call", now: float) -> Statement:
    """State a refusal, with its reason and how much of the notice had been played (N2)."""
    played_ms = 0 if call.playing_since is None else max(0, round((now - call.playing_since) * 1e3))
    public: dict[str, object] = {"reason": call.reason, "phase": call.phase.value}
    if call.keys:
        public["key"] = call.keys
    return _statement(
        call, Fact.CONSENT_REFUSED, {**public, "last_playback_ms": played_ms, **_notice(call)}
    )


def failed(call: "Call") -> Statement:
    """State that there is no recording because something broke (rule 2)."""
    return _statement(call, Fact.NOT_RECORDED, {"reason": call.reason})


def withdrawn(call: "Call") -> Statement:
    """State a withdrawal (GDPR Art. 7(3)) and what policy does with the part before."""
    policy = call.policy
    before = policy.on_withdrawal.value if policy else "keep"
    told = {"author": call.withdrawal_author, "reason": call.withdrawal_reason}
    return _statement(
        call,
        Fact.CONSENT_WITHDRAWN,
        {"via": call.reason, "part_before": before},
        {key: value for key, value in told.items() if value},
    )


def _statement(
    call: "Call", fact: Fact, public: dict[str, object], told: dict[str, str] | None = None
) -> Statement:
    policy = call.policy
    rule: dict[str, object] = {"direction": call.facts.direction.value}
    if policy is not None:
        rule |= {"policy": policy.name, "policy_version": policy.version, "mode": policy.mode.value}
        rule["legal_basis"] = policy.legal_basis
    personal = {"channel_id": call.facts.channel_id, "number": call.facts.number, **(told or {})}
    return Statement(fact, call.facts.call_id, None, {**rule, **public}, personal)


def _notice(call: "Call") -> dict[str, object]:
    policy = call.policy
    if policy is None or policy.notice is None:
        return {}
    notice = policy.notice
    facts: dict[str, object] = {
        "notice": notice.notice_id,
        "notice_version": notice.version,
        "language": notice.language,
        "information_sha256": notice.information.sha256,
        "information_ms": round(notice.information.duration_seconds * 1000),
        "media": "early" if call.facts.early_media else "answered",
    }
    if policy.mode is ConsentMode.PROMPTED and notice.question is not None:
        facts["question_sha256"] = notice.question.sha256
    return facts
