import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from ari_controller.core.ledger import Fact
from ari_controller.core.model import ConsentMode
from ari_controller.metrics import Metrics

DOCS = Path("docs/metrics.md")


def exposition(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_every_metric_bears_the_prefix_and_a_help_text() -> None:
    metrics = Metrics(CollectorRegistry())
    for family in metrics.registry.collect():
        assert family.name.startswith("ari_controller_")
        assert family.documentation.endswith(".")


def test_no_created_series_double_the_samples() -> None:
    assert "_created" not in exposition(Metrics(CollectorRegistry()))


def test_what_an_alert_watches_is_there_before_it_ever_happens() -> None:
    text = exposition(Metrics(CollectorRegistry()))
    assert "ari_controller_recorded_without_consent_total 0.0" in text
    assert 'ari_controller_anomalies_total{kind="success_without_file"} 0.0' in text
    assert 'ari_controller_links_up{link="ari"} 0.0' in text
    assert 'ari_controller_consent_total{mode="prompted",outcome="refused"} 0.0' in text
    assert 'ari_controller_calls{phase="recording"} 0.0' in text


def test_facts_about_consent_are_counted_and_others_are_not() -> None:
    metrics = Metrics(CollectorRegistry())
    for fact in Fact:
        metrics.consent_fact(fact, ConsentMode.IMPLIED)
    found = dict(
        re.findall(r'consent_total\{mode="implied",outcome="(\w+)"\} (\d)', exposition(metrics))
    )
    assert found == dict.fromkeys(
        ("given", "refused", "withdrawn", "permitted", "not_recorded"), "1"
    )


def test_two_daemons_in_one_process_do_not_share_metrics() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.store_errors_total.inc()
    assert "ari_controller_store_errors_total 0.0" in exposition(other)


def test_labels_hold_nothing_that_names_a_call() -> None:
    allowed = {"phase", "direction", "outcome", "mode", "mark", "link", "kind", "event", "version"}
    labels = re.findall(r"[{,](\w+)=", exposition(Metrics(CollectorRegistry())))
    assert set(labels) <= allowed | {"le"}


def test_the_docs_name_every_metric_and_none_besides() -> None:
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics(CollectorRegistry()).registry.collect()
    }
    documented = set(re.findall(r"`(ari_controller_[a-z_]+)", DOCS.read_text()))
    assert documented == families
