"""Every Prometheus metric, declared in one place (C3).

No label ever holds a call, a channel, a number or a key: each label takes a few fixed values (N5).
Series whose absence would blind an alert start at 0. What an operator does about each metric is
in docs/metrics.md.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from ari_controller import __version__
from ari_controller.core.call import OPEN, Outcome
from ari_controller.core.ledger import Fact
from ari_controller.core.model import ConsentMode, Direction

# The _created series double the samples and answer no operator's question.
disable_created_metrics()  # type: ignore[no-untyped-call]

_NAMESPACE = "ari_controller"

_CONSENT_OUTCOMES = {
    Fact.CONSENT_GIVEN: "given",
    Fact.CONSENT_REFUSED: "refused",
    Fact.CONSENT_WITHDRAWN: "withdrawn",
    Fact.RECORDING_PERMITTED: "permitted",
    Fact.NOT_RECORDED: "not_recorded",
}
NO_POLICY = "none"
RECORDING_OUTCOMES = ("started", "failed", "sealed", "destroyed")
RECORDING_MARKS = (
    "empty",
    "silent",
    "customer_silent",
    "agent_silent",
    "short",
    "repaired",
    "missing_segment",
    "unreadable",
)
LINKS = ("ari", "ami")
ANOMALIES = (
    "success_without_file",  # MixMonitor said Success and wrote nothing
    "fenced_late",  # a late daemon found the channel no longer its own
    "stop_failed",  # StopMixMonitor was not confirmed
    "orphan_channel_freed",  # reconciling or the rescue process let a forgotten channel go on
    "unknown_arrival",  # a channel entered Stasis with arguments that the dialplan never sends
)

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """The daemon's metrics on one registry. Times are observed in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace=_NAMESPACE, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace=_NAMESPACE, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, (), _NAMESPACE, registry=registry, buckets=buckets)

        self.build_info = gauge("build_info", "Always 1; the label tells the version.", "version")
        self.calls = gauge("calls", "Calls in hand now, by where they stand.", "phase")
        self.calls_ended_total = counter(
            "calls_ended", "Calls that ended, by how they were recorded.", "direction", "outcome"
        )
        self.consent_total = counter(
            "consent",
            "Decisions about consent, by the policy's mode; silence and a wrong key are refusals.",
            "mode",
            "outcome",
        )
        self.recorded_without_consent_total = counter(
            "recorded_without_consent",
            "Recordings found running without a consent in the ledger. Must stay 0.",
        )

        self.recordings_total = counter(
            "recordings", "Recordings that reached each step.", "outcome"
        )
        self.recordings_marked_total = counter(
            "recordings_marked", "Sealed recordings that a check found something about.", "mark"
        )
        self.notice_start_seconds = histogram(
            "notice_start_seconds", "From StasisStart until Asterisk accepted the notice.", _QUICK
        )
        self.mixmonitor_start_seconds = histogram(
            "mixmonitor_start_seconds", "From consent until the recording's files exist.", _QUICK
        )
        self.seal_backlog = gauge("seal_backlog", "Stopped recordings that wait to be sealed.")
        self.seal_seconds = histogram("seal_seconds", "Time to seal one recording.", _SLOW)
        self.seal_retries_total = counter(
            "seal_retries", "Sealings that failed and are tried again."
        )

        self.ledger_append_seconds = histogram(
            "ledger_append_seconds", "From asking for a ledger entry until it is durable.", _QUICK
        )
        self.store_errors_total = counter(
            "store_errors", "Transactions that the store did not take."
        )

        self.links_up = gauge("links_up", "1 while the link to Asterisk is up, else 0.", "link")
        self.reconnects_total = counter("reconnects", "Links to Asterisk that came back.", "link")
        self.anomalies_total = counter("anomalies", "Things that should not happen.", "kind")
        self.events_ignored_total = counter(
            "events_ignored", "Events that mean nothing where the call stood.", "phase", "event"
        )
        self._start_at_zero()

    def consent_fact(self, fact: str, mode: str) -> None:
        """Count a ledger fact that decides about consent; other facts count nothing."""
        if outcome := _CONSENT_OUTCOMES.get(Fact(fact)):
            self.consent_total.labels(mode, outcome).inc()

    def _start_at_zero(self) -> None:
        self.build_info.labels(__version__).set(1)
        for phase in OPEN:
            self.calls.labels(phase).set(0)
        for mode in (*ConsentMode, NO_POLICY):
            for outcome in _CONSENT_OUTCOMES.values():
                self.consent_total.labels(mode, outcome)
        for outcome in RECORDING_OUTCOMES:
            self.recordings_total.labels(outcome)
        for mark in RECORDING_MARKS:
            self.recordings_marked_total.labels(mark)
        for link in LINKS:
            self.links_up.labels(link).set(0)
            self.reconnects_total.labels(link)
        for kind in ANOMALIES:
            self.anomalies_total.labels(kind)
        for direction in Direction:
            for outcome in Outcome:
                self.calls_ended_total.labels(direction, outcome)
