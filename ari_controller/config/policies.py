"""Turns a policy as written into the core's, under a version that changes with all it says."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ari_controller.config.checks import ASKING_MODES
from ari_controller.config.marks import Loc
from ari_controller.config.model import NoticeRule, PolicyRule
from ari_controller.core.model import Match, Media, Notice, Policy

VERSION_DIGITS = 16


def to_policy(
    rule: PolicyRule, notices: Sequence[NoticeRule], media: Mapping[Loc, Media]
) -> Policy:
    """Convert a checked rule; `media` has each notice's sound files by their place in the file."""
    policy = Policy(
        name=rule.name,
        version="",
        match=Match(
            direction=rule.match.direction,
            did=rule.match.did,
            endpoint=rule.match.endpoint,
            context=rule.match.context,
        ),
        mode=rule.mode,
        purposes=rule.purposes,
        legal_basis=rule.legal_basis or "",
        retention_months=rule.retention_months or 0,
        notice=_notice(rule, notices, media),
        opt_out_keys=frozenset(rule.keys.opt_out),
        grace_seconds=rule.grace_seconds,
        agree_key=rule.keys.agree,
        refuse_keys=frozenset(rule.keys.refuse),
        first_digit_timeout_seconds=rule.first_digit_timeout_seconds,
        overall_timeout_seconds=rule.overall_timeout_seconds,
        repeats=rule.repeats,
        on_refusal=rule.on_refusal,
        on_withdrawal=rule.on_withdrawal,
        withdrawal_keys=rule.keys.withdraw,
        agent_tone=rule.agent_tone,
    )
    return replace(policy, version=policy_version(policy))


def policy_version(policy: Policy) -> str:
    """Return 16 hex digits of the SHA-256 over canonical JSON of everything the policy says.

    A sound file counts by its hash, not by where it lies.
    """
    notice = policy.notice
    says = {
        "name": policy.name,
        "match": {
            "direction": policy.match.direction,
            "did": policy.match.did,
            "endpoint": policy.match.endpoint,
            "context": policy.match.context,
        },
        "mode": policy.mode,
        "purposes": policy.purposes,
        "legal_basis": policy.legal_basis,
        "retention_months": policy.retention_months,
        "notice": notice
        and {
            "id": notice.notice_id,
            "version": notice.version,
            "language": notice.language,
            "information": notice.information.sha256,
            "question": notice.question and notice.question.sha256,
        },
        "opt_out_keys": sorted(policy.opt_out_keys),
        "grace_seconds": policy.grace_seconds,
        "agree_key": policy.agree_key,
        "refuse_keys": sorted(policy.refuse_keys),
        "first_digit_timeout_seconds": policy.first_digit_timeout_seconds,
        "overall_timeout_seconds": policy.overall_timeout_seconds,
        "repeats": policy.repeats,
        "on_refusal": policy.on_refusal,
        "on_withdrawal": policy.on_withdrawal,
        "withdrawal_keys": policy.withdrawal_keys,
        "agent_tone": policy.agent_tone,
    }
    canonical = json.dumps(says, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:VERSION_DIGITS]


def _notice(
    rule: PolicyRule, notices: Sequence[NoticeRule], media: Mapping[Loc, Media]
) -> Notice | None:
    # The other modes play none: a record that named one would claim that somebody was told.
    if rule.mode not in ASKING_MODES or rule.notice is None or rule.language is None:
        return None
    index = next(index for index, notice in enumerate(notices) if notice.id == rule.notice)
    part: Loc = ("notices", index, "languages", rule.language)
    return Notice(
        notice_id=notices[index].id,
        version=notices[index].version,
        language=rule.language,
        information=media[(*part, "information")],
        question=media.get((*part, "question")),
    )
