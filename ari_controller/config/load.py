"""From a YAML file to the settings in force, or to everything that is wrong with it at once.

`read` checks the file's shape alone; `load` also wants every sound file and secret to be there.
Neither needs Asterisk, and neither opens a socket.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ari_controller.config import model
from ari_controller.config.audio import UnusableAudioError, read_media
from ari_controller.config.checks import Checks
from ari_controller.config.model import ConfigFile, NoticeRule, PolicyRule
from ari_controller.config.policies import to_policy
from ari_controller.config.problems import ConfigError
from ari_controller.config.secrets import UnusableSecretError, read_password
from ari_controller.config.shape import (
    declared,
    open_document,
    section,
    validate,
    whole_items,
)
from ari_controller.core.model import Media, Policy


@dataclass(frozen=True, slots=True)
class ToneMedia:
    """What the agent alone hears when the prompt is over."""

    recorded: Media
    not_recorded: Media


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration in force; paths are absolute, policies in the order of the file."""

    path: Path
    data_controller: model.DataController
    asterisk: model.Asterisk
    store: model.Store
    control: model.Control
    spool: model.Spool
    archive: model.Archive
    http: model.Http
    logging: model.Logging
    country_code: str
    timezone: str
    policies: tuple[Policy, ...]
    tones: ToneMedia
    ari_password: str = field(repr=False)
    ami_password: str = field(repr=False)


def read(path: Path) -> ConfigFile:
    """Read the file's shape; raise ConfigError with all that is wrong with it."""
    config, problems = validate(*open_document(path))
    if problems or config is None:
        raise ConfigError(problems)
    return config


def load(path: Path, credentials_directory: Path | None = None) -> Settings:
    """Read, check and convert the file; raise ConfigError with all that is wrong with it.

    `credentials_directory` is where `credential: NAME` is looked up (systemd's LoadCredential);
    without it, $CREDENTIALS_DIRECTORY.
    """
    document, context = open_document(path)
    config, problems = validate(document, context)
    checks = Checks(document, problems)
    notices = dict(whole_items(document, "notices", NoticeRule, context))
    policies = dict(whole_items(document, "policies", PolicyRule, context))
    checks.notices(notices)
    checks.policies(policies, notices, declared(document, "notices", "id"))
    spool = section(document, ("spool",), model.Spool, context)
    if spool:
        checks.spool(spool)
    if archive := section(document, ("archive",), model.Archive, context):
        checks.archive(archive, spool)
    tones = None
    if rule := section(document, ("tones",), model.Tones, context):
        tones = _tones(checks, rule)
    directory = credentials_directory or _credentials_directory()
    ari = section(document, ("asterisk", "ari"), model.Ari, context)
    ami = section(document, ("asterisk", "ami"), model.Ami, context)
    ari_password = _password(checks, "ari", ari, directory)
    ami_password = _password(checks, "ami", ami, directory)
    if checks.problems or config is None or tones is None:
        raise ConfigError(checks.problems)
    return Settings(
        path=path.absolute(),
        data_controller=config.data_controller,
        asterisk=config.asterisk,
        store=config.store,
        control=config.control,
        spool=config.spool,
        archive=config.archive,
        http=config.http,
        logging=config.logging,
        country_code=config.country_code,
        timezone=config.timezone,
        policies=tuple(to_policy(rule, config.notices, checks.media) for rule in config.policies),
        tones=tones,
        ari_password=ari_password,
        ami_password=ami_password,
    )


def _credentials_directory() -> Path | None:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) if directory else None


def _tones(checks: Checks, rule: model.Tones) -> ToneMedia | None:
    recorded = _tone(checks, "recorded", rule.recorded)
    not_recorded = _tone(checks, "not_recorded", rule.not_recorded)
    return ToneMedia(recorded, not_recorded) if recorded and not_recorded else None


def _tone(checks: Checks, name: str, path: Path) -> Media | None:
    try:
        return read_media(path)
    except UnusableAudioError as error:
        checks.add(("tones", name), str(error))
        return None


def _password(
    checks: Checks, door: str, account: model.Account | None, credentials_directory: Path | None
) -> str:
    if account is None:
        return ""
    try:
        return read_password(account, credentials_directory)
    except UnusableSecretError as error:
        loc = ("asterisk", door, *([error.key] if error.key else []))
        checks.add(loc, str(error))
        return ""
