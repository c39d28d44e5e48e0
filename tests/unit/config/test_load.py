import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_controller.config.load import load, read
from ari_controller.config.problems import ConfigError
from ari_controller.core.model import ConsentMode, Direction, OnRefusal
from tests.unit.config.folder import VALID, ConfigFolder, write_wav

EXAMPLES = Path("config")


def test_a_valid_file_becomes_settings(folder: ConfigFolder) -> None:
    settings = folder.load()
    inbound, outbound = settings.policies
    assert inbound.mode is ConsentMode.IMPLIED
    assert inbound.match.direction is Direction.INBOUND
    assert inbound.match.did == ("0374800800", "+40374*")
    assert inbound.opt_out_keys == {"2", "9"}
    assert inbound.notice is not None
    assert inbound.notice.information.path == str(folder.path / "in-ro")
    assert inbound.notice.information.duration_seconds == 0.5
    assert inbound.notice.question is None
    assert outbound.notice is not None
    assert outbound.notice.question is not None
    assert outbound.on_refusal is OnRefusal.CONTINUE
    assert (settings.ari_password, settings.ami_password) == ("ari secret", "ami secret")
    assert settings.tones.not_recorded.path == str(folder.path / "no")
    assert settings.archive.path == folder.path / "archive"
    assert settings.http.host == "127.0.0.1"


def test_passwords_do_not_show_when_settings_are_printed(folder: ConfigFolder) -> None:
    assert "secret" not in repr(folder.load()).replace("ari.secret", "")


def test_all_problems_come_at_once_with_their_places(folder: ConfigFolder) -> None:
    folder.change("name: Example SRL", "nam: Example SRL")
    folder.change("archive: {path: archive, region: RO}", "archive: {region: Romania}")
    folder.change("audio: in-ro.wav", "audio: gone.wav")
    folder.change("notice: outbound", "notice: nothing")
    folder.change("recorded: yes.wav", "recorded: never.wav")
    folder.change("password_file: ari.secret", "password_file: gone.secret")
    assert folder.problems() == [
        "2:3: data_controller.nam: unknown key; did you mean name?",
        "2:3: data_controller.name: is missing",
        "7:24: asterisk.ari.password_file: "
        f"{folder.path}/gone.secret: cannot be read: No such file or directory",
        "9:19: archive.region: must be a country's two letters, such as RO, or EU, not 'Romania'",
        "17:50: notices.0.languages.ro.information.audio: "
        f"{folder.path}/gone.wav: no such file: run `ari-controller prompts build`, or record it",
        "26:19: tones.recorded: "
        f"{folder.path}/never.wav: no such file: run `ari-controller prompts build`, or record it",
        "40:13: policies.1.notice: there is no notice 'nothing'; known: inbound, outbound",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["0374800800", "+40374*"]', "[374800800]", 'quote it, as "374800800"'),
        ('country_code: "40"', "country_code: 40", 'quote it, as "40"'),
        ('opt_out: ["2", "9"]', "opt_out: [2]", 'quote it, as "2"'),
        ('opt_out: ["2", "9"]', "opt_out: [~]", "is empty; text is needed"),
        ("region: RO", "region: RO, mode: 640", 'quote it, as "640"'),
        ("region: RO", 'region: RO, mode: "0644"', "only owner and group read"),
        ("name: in\n", "name: true\n", 'quote it, as "true"'),
    ],
)
def test_an_unquoted_value_is_an_error_and_not_a_guess(
    folder: ConfigFolder, old: str, new: str, said: str
) -> None:
    folder.change(old, new)
    [problem] = folder.problems()
    assert said in problem


def test_a_number_with_a_leading_zero_is_no_octal(folder: ConfigFolder) -> None:
    folder.change('["0374800800", "+40374*"]', "[0721234567, +40721234567]")
    assert folder.load().policies[0].match.did == ("0721234567", "+40721234567")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('keys: {opt_out: ["2", "9"]}', "keys: {}", "keys: opt_out: is missing"),
        ("mode: prompted", "mode: prompted\n    keys: {refuse: []}", "refuse: is empty"),
        ("mode: prompted", 'mode: prompted\n    keys: {agree: "2"}', "also a key that refuses"),
        ("mode: prompted", 'mode: prompted\n    keys: {agree: "12"}', "must be one key of"),
        ("mode: prompted", 'mode: prompted\n    keys: {withdraw: "*9876"}', "1 to 4 keys"),
        ("mode: prompted", 'mode: prompted\n    keys: {withdraw: ""}', "1 to 4 keys"),
        ("    notice: inbound\n", "", "notice: is missing; mode implied plays one"),
        ("language: ro\n", "language: fr\n", "does not speak 'fr'; it has: ro"),
        ("    language: ro\n", "", "language: is missing; notice 'inbound' has: ro"),
        ("mode: implied", "mode: none-required", "must be another than consent"),
        ("legal_basis: consent", "legal_basis: contract", "must be consent, which mode implied"),
        ("    legal_basis: consent\n", "", "legal_basis: is missing"),
        ("    purposes: [quality]\n", "", "purposes: is missing"),
        ("    retention_months: 6\n", "", "retention_months: is missing"),
        ("retention_months: 6\n", "retention_months: 0\n", "greater than or equal to 1, not 0"),
        ("name: out", "name: in", "'in' is also policies.0.name"),
        ("id: outbound", "id: inbound", "'inbound' is also notices.0.id"),
        ("match: {direction: inbound, ", "match: {", ""),
        ("name: out", "name: out\n    overall_timeout_seconds: 4", "leave no time to answer"),
        ("archive: {path: archive", "archive: {path: spool/x", ""),
        ("region: RO", "region: RO, group: no-such-group", "there is no group 'no-such-group'"),
        ("country_code", "http: {host: 0.0.0.0}\ncountry_code", "must be a loopback address"),
        ("country_code", "http: {host: localhost}\ncountry_code", "must be an IP address"),
        ("country_code", "http: {host: '::1'}\ncountry_code", ""),
        ("country_code", "spool: {path: my spool}\ncountry_code", "only A-Z a-z 0-9"),
        ("country_code", "spool: {path: 'a,b'}\ncountry_code", "only A-Z a-z 0-9"),
        ("country_code", "spool: {path: archive}\ncountry_code", "must lie apart"),
        ("country_code", "spool: {path: archive/s}\ncountry_code", "must lie apart"),
        ("country_code", f"control: {{socket: {'s' * 107}}}\ncountry_code", "Unix socket"),
        ("password_file: ari.secret", "user: x", "password_file or credential is missing"),
        ("password_file: ari.secret", "password: x", "passwords do not belong here"),
        ("credential: ami-password", "credential: gone", "cannot be read: No such file"),
        ("credential: ami-password", "credential: a/b", "must be 1 to 64 of"),
        ("password_file: ari.secret", "password_file: ari.secret, credential: ami-password", "one"),
        ("{password_file", "{url: 'http://a:b@c', password_file", "without a user"),
        ("{password_file", "{url: 'http://c:8088/ari/', password_file", "leave out /ari"),
        ("Europe/Bucharest", "Europe/Bukarest", "no such time zone"),
        ("Europe/Bucharest", "../../etc/passwd", "no such time zone"),
        ("archive: {path: archive, ", "archive: {path: '', ", "must name a file or a folder"),
    ],
)
def test_each_mistake_is_named(folder: ConfigFolder, old: str, new: str, said: str) -> None:
    folder.change(old, new)
    found = folder.problems()
    assert bool(found) is bool(said), found
    assert said in "\n".join(found)


def test_a_prompt_without_a_question_is_named_at_the_policy(folder: ConfigFolder) -> None:
    folder.change("notice: outbound\n    language: ro", "notice: outbound\n    language: en")
    [problem] = folder.problems()
    assert problem.startswith("40:13: policies.1.notice: mode prompted asks a question")
    assert "add notices.1.languages.en.question" in problem


def test_a_policy_behind_one_for_every_call_is_named(folder: ConfigFolder) -> None:
    folder.change('match: {direction: inbound, did: ["0374800800", "+40374*"]}', "match: {}")
    [problem] = folder.problems()
    assert problem.startswith("37:5: policies.1: is never reached: policies.0 matches every call")


def test_no_recording_needs_no_notice_purposes_or_retention(folder: ConfigFolder) -> None:
    folder.change("policies:\n", "policies:\n  - {name: none, match: {did: ['1*']}, mode: never}\n")
    assert folder.load().policies[0].mode is ConsentMode.NEVER


def test_paths_are_relative_to_the_file_and_not_to_where_one_stands(
    folder: ConfigFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.file.write_text(VALID)
    monkeypatch.chdir(folder.path.parent)
    settings = load(Path(folder.path.name) / "config.yaml", folder.credentials)
    assert settings.tones.recorded.path == str(folder.path / "yes")


def test_credentials_are_found_where_systemd_says(
    folder: ConfigFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.file.write_text(VALID)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY is not set"):
        load(folder.file)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder.credentials))
    assert load(folder.file) == folder.load()


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff\n", b"a\x00b", b"x" * 2000])
def test_a_secret_that_is_no_single_line_is_refused_unseen(
    folder: ConfigFolder, content: bytes
) -> None:
    (folder.path / "ari.secret").write_bytes(content)
    [problem] = folder.problems()
    assert problem.startswith("7:24: asterisk.ari.password_file: ")
    assert "xxx" not in problem


@pytest.mark.parametrize("path", ["gone.yaml", "", "a\0b"])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / path)


def test_an_empty_file_says_what_is_missing(folder: ConfigFolder) -> None:
    folder.text = ""
    assert "1:1: policies: is missing" in folder.problems()


def test_read_wants_neither_sound_files_nor_secrets(folder: ConfigFolder) -> None:
    folder.file.write_text(VALID)
    for file in (*folder.path.glob("*.wav"), folder.path / "ari.secret"):
        file.unlink()
    assert read(folder.file).tones.recorded == folder.path / "yes.wav"


def test_the_version_changes_with_what_a_policy_says(folder: ConfigFolder) -> None:
    before = folder.load().policies
    write_wav(folder.path / "in-ro.wav", seconds=0.6)
    folder.change("name: out\n", "name: out\n    repeats: 2\n")
    after = folder.load().policies
    assert {len(policy.version) for policy in (*before, *after)} == {16}
    assert before[0].version != after[0].version
    assert before[1].version != after[1].version


def test_the_version_does_not_change_with_where_the_files_lie(
    folder: ConfigFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = ConfigFolder(tmp_path_factory.mktemp("elsewhere"))
    elsewhere.change('keys: {opt_out: ["2", "9"]}', 'keys: {opt_out: ["9", "2"]}')
    assert [policy.version for policy in folder.load().policies] == [
        policy.version for policy in elsewhere.load().policies
    ]


@pytest.mark.parametrize("name", ["ari-controller.yaml", "examples/smart-eco-plus.yaml"])
def test_the_shipped_files_load(name: str, folder: ConfigFolder) -> None:
    (folder.credentials / "ari-password").write_text("x")
    settings = load(EXAMPLES / name, folder.credentials)
    inbound, outbound = settings.policies
    assert (inbound.mode, outbound.mode) == (ConsentMode.IMPLIED, ConsentMode.PROMPTED)
    assert {"2", "9"} == inbound.opt_out_keys
    assert inbound.retention_months == outbound.retention_months == 6
    assert outbound.notice is not None
    assert outbound.notice.question is not None
    assert outbound.notice.information.duration_seconds <= 7.5
    assert outbound.notice.question.duration_seconds <= 4
    # A silent person is let go within 30 s of the answer.
    rounds = outbound.repeats + 1
    asked = outbound.notice.question.duration_seconds + outbound.first_digit_timeout_seconds
    assert outbound.notice.information.duration_seconds + rounds * asked < 28
    assert outbound.overall_timeout_seconds <= 28


def test_the_example_carries_the_contact_block_of_the_privacy_notice() -> None:
    block = read(EXAMPLES / "examples/smart-eco-plus.yaml").data_controller
    assert (block.name, block.vat) == ("SMART ECO PLUS SRL", "RO22480163")
    assert block.dpo is not None
    assert block.dpo.email == "gdpr@smartecoplus.ro"
    assert block.complaint_authority.email == "anspdc@dataprotection.ro"


LINES = VALID.splitlines(keepends=True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(LINES) - 1),
    st.one_of(
        st.sampled_from(["", "- ", "  x: 1\n", "a: [", "~: ~\n", "mode: 7\n", "policies: 3\n"]),
        st.sampled_from(["- - -\n", "? x\n", "notices: {a: b}\n", "  ro: \n", "keys: [1]\n"]),
        st.text(max_size=20),
    ),
    st.booleans(),
)
def test_a_broken_file_never_raises_anything_but_config_errors(
    folder: ConfigFolder, at: int, junk: str, replace: bool
) -> None:
    text = "".join([*LINES[:at], junk, *LINES[at + replace :]])
    folder.text = text
    for problem in folder.problems():
        assert re.match(r"[1-9]\d*:[1-9]\d*: .", problem)
