"""The shape of the YAML file: frozen models that refuse unknown keys and guessed types.

What one value alone can tell is checked here; what needs a second value or a file, in checks.py.
Paths become absolute here, relative to the folder of the YAML file.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)

from ari_controller.core.model import ConsentMode, Direction, OnRefusal, OnWithdrawal

_Item = TypeVar("_Item")

LegalBasis = Literal[
    "consent",
    "contract",
    "legal-obligation",
    "vital-interests",
    "public-task",
    "legitimate-interests",
]
"""GDPR Art. 6(1)(a) to (f)."""

MAX_SOCKET_PATH_BYTES = 107


def _absolute(path: Path, info: ValidationInfo) -> Path:
    if path == Path():
        raise ValueError("must name a file or a folder")
    folder = info.context["folder"] if info.context else Path.cwd()
    return Path(os.path.normpath(folder / path))


def _socket_length(path: Path) -> Path:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"longer than {MAX_SOCKET_PATH_BYTES} bytes, the limit of a Unix socket")
    return path


def _loopback(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("must be an IP address, such as 127.0.0.1") from None
    if not address.is_loopback:
        raise ValueError(
            "must be a loopback address, such as 127.0.0.1: these pages ask for no password;"
            " put a reverse proxy before them to reach them from elsewhere"
        )
    return host


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone; write it as in Europe/Bucharest") from None
    return name


def _ari_url(url: str) -> str:
    if url.rstrip("/").endswith("/ari"):
        raise ValueError("leave out /ari: only the address of Asterisk's HTTP server is wanted")
    return url.rstrip("/")


def _matching(pattern: str, meaning: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"must be {meaning}")
        return text

    return AfterValidator(check)


def _some(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not items:
        raise ValueError("must not be empty")
    return items


Text = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Email = Annotated[str, _matching(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]{1,180}", "an e-mail address")]
Phone = Annotated[
    str, _matching(r"\+?[0-9][0-9 ./()-]{1,30}", "a telephone number, such as +40 374 800 800")
]
Name = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ -, first a letter or digit"
    ),
]
Language = Annotated[
    str, _matching(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", "a language tag, such as ro or en-GB")
]
Digit = Annotated[str, _matching(r"[0-9*#A-D]", "one key of 0-9 * # A-D")]
Digits = Annotated[str, _matching(r"[0-9*#A-D]{1,4}", "1 to 4 keys of 0-9 * # A-D")]
Did = Annotated[
    str,
    _matching(
        r"\+?[A-Za-z0-9._-]{0,64}\*|\+?[A-Za-z0-9._-]{1,64}",
        "a number or a user name as the dialplan passes it, with * only at the end",
    ),
]
Endpoint = Annotated[
    str,
    _matching(r"[A-Za-z0-9._@/+-]{1,128}", "a name as Asterisk has it: A-Z a-z 0-9 . _ @ / + -"),
]
Host = Annotated[str, _matching(r"[A-Za-z0-9.:_-]{1,253}", "a host name or an address")]
Url = Annotated[
    str,
    _matching(
        r"https?://[^\s/@?#]+(/[^\s@?#]*)?",
        "an http or https address without a user, such as http://127.0.0.1:8088",
    ),
]
Region = Annotated[str, _matching(r"[A-Z]{2}", "a country's two letters, such as RO, or EU")]
Mode = Annotated[
    str, _matching(r"0?[46][046]0", 'a file mode that lets only owner and group read, as "0640"')
]
CountryCode = Annotated[
    str, _matching(r"[1-9][0-9]{0,2}", 'a country calling code without +, such as "40"')
]
Port = Annotated[int, Field(ge=1, le=65535)]
FilePath = Annotated[Path, AfterValidator(_absolute)]
Seconds = Annotated[float, Field(gt=0, le=300)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataProtectionOfficer(_Strict):
    """Whom data subjects write to (GDPR Art. 13(1)(b))."""

    email: Email
    phone: Phone | None = None


class ComplaintAuthority(_Strict):
    """Where a data subject lodges a complaint (GDPR Art. 13(2)(d))."""

    name: Text
    address: Text | None = None
    phone: Phone | None = None
    email: Email | None = None
    website: Text | None = None


class DataController(_Strict):
    """The contact block that notices, sidecars and answers carry (N16)."""

    name: Text
    registration: Text | None = None
    vat: Text | None = None
    address: Text
    email: Email
    phone: Phone | None = None
    website: Text | None = None
    dpo: DataProtectionOfficer | None = None
    complaint_authority: ComplaintAuthority


class Account(_Strict):
    """A user of Asterisk's and where its password is kept: one of the two, never inline."""

    user: Name = "ari-controller"
    password_file: FilePath | None = None
    credential: Name | None = None


class Ari(Account):
    """The ARI door. `url` is of Asterisk's HTTP server, with its prefix and without `/ari`."""

    url: Annotated[Url, AfterValidator(_ari_url)] = "http://127.0.0.1:8088"
    app: Name = "ari-controller"
    rest: Literal["auto", "http", "websocket"] = "auto"


class Ami(Account):
    """The AMI door, for MixMonitor only."""

    host: Host = "127.0.0.1"
    port: Port = 5038


class Asterisk(_Strict):
    """The Asterisk that this daemon stands beside."""

    ari: Ari
    ami: Ami


class Store(_Strict):
    """The SQLite file of ledger, calls and recordings."""

    path: FilePath = Path("/var/lib/ari-controller/store.db")


class Control(_Strict):
    """The Unix socket of the commands."""

    socket: Annotated[FilePath, AfterValidator(_socket_length)] = Path(
        "/run/ari-controller/control.sock"
    )


class Spool(_Strict):
    """The flat folder into which Asterisk writes."""

    path: FilePath = Path("/var/spool/asterisk/ari-controller")


class Archive(_Strict):
    """Where sealed recordings are kept. `region` is a country's two letters, or EU (N9)."""

    path: FilePath = Path("/var/lib/ari-controller/archive")
    region: Region
    group: Name | None = None
    mode: Mode = "0640"


class Http(_Strict):
    """Where /metrics, /healthz and /readyz listen."""

    host: Annotated[str, AfterValidator(_loopback)] = "127.0.0.1"
    port: Port = 9464


class Logging(_Strict):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Speech(_Strict):
    """A text and the sound file that says it."""

    text: LongText
    audio: FilePath


class NoticeParts(_Strict):
    """One language of a notice."""

    information: Speech
    question: Speech | None = None


class NoticeRule(_Strict):
    """A notice in one version and all its languages (N12)."""

    id: Name
    version: Name
    languages: Annotated[dict[Language, NoticeParts], Field(min_length=1)]


class Tones(_Strict):
    """What the agent alone hears when the prompt is over."""

    recorded: FilePath
    not_recorded: FilePath


class MatchRule(_Strict):
    """Which calls a policy is for; an empty list matches everything."""

    direction: Direction | None = None
    did: tuple[Did, ...] = ()
    endpoint: tuple[Endpoint, ...] = ()
    context: tuple[Endpoint, ...] = ()


class Keys(_Strict):
    """The keys a person may press. `withdraw` is a sequence."""

    opt_out: tuple[Digit, ...] = ()
    agree: Digit = "1"
    refuse: tuple[Digit, ...] = ("2",)
    withdraw: Digits = "*9"


class PolicyRule(_Strict):
    """One policy as written."""

    name: Name
    match: MatchRule = MatchRule()
    mode: ConsentMode
    notice: Name | None = None
    language: Language | None = None
    keys: Keys = Keys()
    grace_seconds: Annotated[float, Field(ge=0, le=10)] = 0.5
    first_digit_timeout_seconds: Seconds = 5.0
    overall_timeout_seconds: Seconds = 30.0
    repeats: Annotated[int, Field(ge=0, le=5)] = 1
    on_refusal: OnRefusal = OnRefusal.CONTINUE
    on_withdrawal: OnWithdrawal = OnWithdrawal.KEEP
    agent_tone: bool = True
    purposes: tuple[Text, ...] = ()
    legal_basis: LegalBasis | None = None
    retention_months: Annotated[int, Field(ge=1, le=120)] | None = None


class ConfigFile(_Strict):
    """The whole file."""

    data_controller: DataController
    asterisk: Asterisk
    store: Store = Store()
    control: Control = Control()
    spool: Spool = Spool()
    archive: Archive
    http: Http = Http()
    logging: Logging = Logging()
    country_code: CountryCode
    timezone: Annotated[str, AfterValidator(_timezone)]
    notices: tuple[NoticeRule, ...] = ()
    tones: Tones
    policies: Annotated[tuple[PolicyRule, ...], AfterValidator(_some)]
