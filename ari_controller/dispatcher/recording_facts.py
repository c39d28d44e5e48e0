"""What a recording carries with it: the facts that sidecar, tags and store all repeat (C4, N5)."""

from datetime import UTC, datetime

from ari_controller.config.load import Settings
from ari_controller.core.call import Call
from ari_controller.core.ledger import Entry
from ari_controller.core.numbers import mask


def recording_facts(
    call: Call, allowed_by: Entry, settings: Settings, began_at: float
) -> dict[str, object]:
    """Return the facts known when a recording starts; numbers masked, parties as roles."""
    facts, policy = call.facts, call.policy
    if policy is None:
        raise AssertionError("a recording has a policy")
    notice: dict[str, object] | None = None
    if policy.notice is not None:
        notice = {
            "id": policy.notice.notice_id,
            "version": policy.notice.version,
            "language": policy.notice.language,
            "information_sha256": policy.notice.information.sha256,
            "question_sha256": policy.notice.question and policy.notice.question.sha256,
            "media": "early" if facts.early_media else "answered",
        }
    return {
        "direction": facts.direction.value,
        "call_started_at": instant(began_at),
        "parties": [
            {"role": "customer", "number": mask(facts.number) if facts.number else None},
            {"role": "agent", "endpoint": facts.agent_endpoint},
        ],
        "policy": {"name": policy.name, "version": policy.version},
        "notice": notice,
        "consent": {
            "mode": policy.mode.value,
            "fact": allowed_by.fact,
            "evidence": allowed_by.public.get("evidence"),
            "key": allowed_by.public.get("key"),
            "at": allowed_by.at,
            "ledger_seq": allowed_by.seq,
            "ledger_hash": allowed_by.hash,
        },
        "purposes": list(policy.purposes),
        "legal_basis": policy.legal_basis,
        "retention_months": policy.retention_months,
        "data_controller": settings.data_controller.model_dump(mode="json", exclude_none=True),
    }


def instant(unix_seconds: float) -> str:
    """Return an ISO 8601 UTC instant with microseconds and `Z`."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
