"""What no single value can tell: whether policies, notices, sound files and keys fit together."""

import grp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ari_controller.config.audio import UnusableAudioError, is_safe_path, read_media
from ari_controller.config.manifest import UnusableManifestError, read_manifest
from ari_controller.config.marks import Document, Loc
from ari_controller.config.model import (
    Archive,
    MatchRule,
    NoticeRule,
    PolicyRule,
    Speech,
    Spool,
)
from ari_controller.config.problems import Problem
from ari_controller.core.model import ConsentMode, Media

MAX_INFORMATION_SECONDS = 30.0
MAX_QUESTION_SECONDS = 15.0

ASKING_MODES = (ConsentMode.IMPLIED, ConsentMode.PROMPTED)
RECORDING_MODES = (*ASKING_MODES, ConsentMode.NONE_REQUIRED)


@dataclass(slots=True)
class Checks:
    """Collects problems, and the sound files that are fit to play by the place that names them.

    Notices and policies are those that are whole in themselves, by their place in their list:
    what is wrong inside one has been reported and must not hide what is wrong between the others.
    """

    document: Document
    problems: list[Problem] = field(default_factory=list)
    media: dict[Loc, Media] = field(default_factory=dict)

    def add(self, loc: Loc, reason: str) -> None:
        """Report a problem at `loc`."""
        self.problems.append(self.document.problem(loc, reason))

    def audio(self, loc: Loc, path_loc: Loc, speech: Speech, limit_seconds: float) -> None:
        """Read a notice's sound file."""
        try:
            media = read_media(speech.audio)
        except UnusableAudioError as error:
            self.add(path_loc, str(error))
            return
        self._said(path_loc, speech, media)
        if media.duration_seconds > limit_seconds:
            lasts = f"lasts {media.duration_seconds:.1f} s"
            self.add(
                path_loc, f"{speech.audio}: {lasts}; at most {limit_seconds:.0f} s may be played"
            )
        self.media[loc] = media

    def _said(self, path_loc: Loc, speech: Speech, media: Media) -> None:
        """Compare the text with what was synthesised; a human voice is taken at its word."""
        try:
            known = read_manifest(speech.audio.parent).files.get(speech.audio.name)
        except UnusableManifestError as error:
            self.add(path_loc, str(error))
            return
        if known and known.sha256 == media.sha256 and known.text != speech.text:
            reason = "says another text than stands here: run `ari-controller prompts build`"
            self.add(path_loc, f"{speech.audio}: {reason}")

    def spool(self, spool: Spool) -> None:
        """Check the folder's name against what AMI can take."""
        if not is_safe_path(spool.path):
            reason = f"{spool.path}: only A-Z a-z 0-9 . _ / - may stand in this path"
            self.add(("spool", "path"), reason)

    def archive(self, archive: Archive, spool: Spool | None) -> None:
        """Check the archive's place and group."""
        if spool is not None and _nested(spool.path, archive.path):
            reason = f"{archive.path} and the spool {spool.path} must lie apart"
            self.add(("archive", "path"), reason)
        if archive.group is not None:
            try:
                grp.getgrnam(archive.group)
            except KeyError:
                self.add(("archive", "group"), f"there is no group {archive.group!r}")

    def notices(self, notices: Mapping[int, NoticeRule]) -> None:
        """Check every notice, used or not: a later reload may use it."""
        seen: dict[str, int] = {}
        for index, notice in notices.items():
            at: Loc = ("notices", index)
            if notice.id in seen:
                self.add((*at, "id"), f"{notice.id!r} is also notices.{seen[notice.id]}.id")
            seen.setdefault(notice.id, index)
            for language, parts in notice.languages.items():
                part: Loc = (*at, "languages", language)
                information: Loc = (*part, "information")
                self.audio(
                    information,
                    (*information, "audio"),
                    parts.information,
                    MAX_INFORMATION_SECONDS,
                )
                if parts.question is not None:
                    question: Loc = (*part, "question")
                    self.audio(question, (*question, "audio"), parts.question, MAX_QUESTION_SECONDS)

    def policies(
        self,
        policies: Mapping[int, PolicyRule],
        notices: Mapping[int, NoticeRule],
        declared_notices: Sequence[str],
    ) -> None:
        """Check each policy alone, then against its notice, then against the others."""
        by_id = {notice.id: (index, notice) for index, notice in reversed(list(notices.items()))}
        seen: dict[str, int] = {}
        for index, policy in policies.items():
            at: Loc = ("policies", index)
            if policy.name in seen:
                self.add(
                    (*at, "name"), f"{policy.name!r} is also policies.{seen[policy.name]}.name"
                )
            seen.setdefault(policy.name, index)
            self._keys(at, policy)
            self._basis(at, policy)
            if policy.notice is None:
                if policy.mode in ASKING_MODES:
                    self.add(at, f"notice: is missing; mode {policy.mode} plays one")
            elif policy.notice in by_id:
                self._notice(at, policy, *by_id[policy.notice])
            elif policy.notice not in declared_notices:
                known = ", ".join(declared_notices) or "none"
                self.add((*at, "notice"), f"there is no notice {policy.notice!r}; known: {known}")
        everything = [index for index, policy in policies.items() if policy.match == MatchRule()]
        for index in policies:
            if everything and index > everything[0]:
                first = everything[0]
                reason = f"is never reached: policies.{first} matches every call before it"
                self.add(("policies", index), reason)

    def _keys(self, at: Loc, policy: PolicyRule) -> None:
        keys = policy.keys
        if policy.mode is ConsentMode.IMPLIED and not keys.opt_out:
            # GDPR Art. 7(4), N1: consent that cannot be refused without hanging up is not free.
            self.add((*at, "keys"), 'opt_out: is missing; mode implied needs a key, as ["2"]')
        if policy.mode is not ConsentMode.PROMPTED:
            return
        if not keys.refuse:
            self.add((*at, "keys", "refuse"), 'is empty; mode prompted needs a key, as ["2"]')
        if keys.agree in keys.refuse:
            self.add((*at, "keys", "agree"), f"{keys.agree!r} is also a key that refuses")

    def _basis(self, at: Loc, policy: PolicyRule) -> None:
        if policy.mode not in RECORDING_MODES:
            return
        for key in ("purposes", "legal_basis", "retention_months"):
            if not getattr(policy, key):
                self.add(at, f"{key}: is missing; mode {policy.mode} records")
        consent = policy.legal_basis == "consent"
        if policy.mode is ConsentMode.NONE_REQUIRED and consent:
            reason = "must be another than consent: mode none-required asks nobody"
            self.add((*at, "legal_basis"), reason)
        if policy.mode in ASKING_MODES and not consent and policy.legal_basis is not None:
            reason = f"must be consent, which mode {policy.mode} obtains"
            self.add((*at, "legal_basis"), reason)

    def _notice(self, at: Loc, policy: PolicyRule, index: int, notice: NoticeRule) -> None:
        has = ", ".join(notice.languages)
        if policy.language is None:
            self.add(at, f"language: is missing; notice {notice.id!r} has: {has}")
            return
        parts = notice.languages.get(policy.language)
        if parts is None:
            reason = f"notice {notice.id!r} does not speak {policy.language!r}; it has: {has}"
            self.add((*at, "language"), reason)
            return
        if policy.mode is not ConsentMode.PROMPTED:
            return
        part: Loc = ("notices", index, "languages", policy.language)
        if parts.question is None:
            self.add(
                (*at, "notice"),
                f"mode prompted asks a question; notice {notice.id!r} has none in"
                f" {policy.language!r}: add {'.'.join(map(str, part))}.question",
            )
            return
        information = self.media.get((*part, "information"))
        question = self.media.get((*part, "question"))
        if information is None or question is None:
            return
        needs = (
            information.duration_seconds
            + question.duration_seconds
            + policy.first_digit_timeout_seconds
        )
        if needs > policy.overall_timeout_seconds:
            self.add(
                (*at, "overall_timeout_seconds"),
                f"{policy.overall_timeout_seconds:g} s leave no time to answer:"
                f" information, question and first_digit_timeout_seconds need {needs:.1f} s",
            )


def _nested(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents
