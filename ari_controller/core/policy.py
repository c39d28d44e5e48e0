"""Which policy holds for a call: register first, then the rules in order, first match wins."""

from collections.abc import Sequence
from dataclasses import dataclass

from ari_controller.core.model import CallFacts, Match, Policy


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy that holds, or None with the reason in `bar`."""

    policy: Policy | None
    bar: str = ""


def decide(facts: CallFacts, policies: Sequence[Policy], *, on_register: bool) -> Decision:
    """Return what holds for a call; a number on the do-not-record register wins over all (N4)."""
    if on_register:
        return Decision(None, "do_not_record")
    for policy in policies:
        if matches(policy.match, facts):
            return Decision(policy)
    return Decision(None, "no_policy")


def matches(match: Match, facts: CallFacts) -> bool:
    """Tell whether every stated condition holds; a condition left empty holds for every call."""
    if match.direction is not None and match.direction is not facts.direction:
        return False
    if match.did and not any(_fits(pattern, facts.did or "") for pattern in match.did):
        return False
    if match.endpoint and facts.endpoint not in match.endpoint:
        return False
    return not match.context or facts.context in match.context


def _fits(pattern: str, value: str) -> bool:
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern
