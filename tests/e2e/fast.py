"""A site like the shipped one, with tones for notices: calls take seconds, and audio can be proven.

One number for each way to treat a call, so that one Asterisk and one daemon serve many tests.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from lab.proxy import Proxy
from lab.site import SHIPPED_CONFIG, Site, SitePorts
from lab.story import DID
from lab.tones import tone, write_wav

NOTICE_HZ = 600
QUESTION_HZ = 640
NOTICE_SECONDS = 1.0
LONG_SECONDS = 6.0
QUESTION_SECONDS = 0.5

EARLY = "0374800801"
"""The notice comes as early media; the number is the lab dialplan's."""
WAITING = "0374800802"
"""Nobody is rung and nothing is sent: the lab dialplan waits."""
LIMITED = "0374800810"
"""The site's own dialplan limits the call to an hour."""
TWICE = "0374800811"
"""The site's dialplan calls the routine a second time."""
PATIENT = "0374800820"
"""The grace time is long enough to do something in it."""
LONG = "0374800825"
"""The notice is long enough to do something in it."""
STRICT = "0374800821"
"""A refused call is ended."""
ASKING = "0374800822"
"""The caller is asked for a key."""
NEVER = "0374800823"
UNASKED = "0374800824"
"""Recorded on another basis than consent."""
UNKNOWN = "0374800899"
"""No policy matches."""

DIALPLAN = f"""
[from-trunk](+)
exten => {LIMITED},1,Set(TIMEOUT(absolute)=3600)
 same => n,Gosub(ari-controller-inbound,s,1(${{EXTEN}},${{CONTEXT}}))
 same => n,Dial(PJSIP/agent,30)
 same => n,Hangup()
exten => {TWICE},1,Gosub(ari-controller-inbound,s,1(${{EXTEN}},${{CONTEXT}}))
 same => n,Gosub(ari-controller-inbound,s,1(${{EXTEN}},${{CONTEXT}}))
 same => n,Dial(PJSIP/agent,30)
 same => n,Hangup()
"""


def fast_changes(folder: Path) -> dict[str, Any]:
    """Return changes to the shipped config; the tones are written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    notice, long, question = (folder / f"{name}.wav" for name in ("notice", "long", "question"))
    write_wav(notice, tone(NOTICE_HZ, NOTICE_SECONDS))
    write_wav(long, tone(NOTICE_HZ, LONG_SECONDS))
    write_wav(question, tone(QUESTION_HZ, QUESTION_SECONDS))
    information = {"text": "One tone.", "audio": str(notice)}
    slow = {"text": "One long tone.", "audio": str(long)}
    asked = {"information": information, "question": {"text": "Another.", "audio": str(question)}}
    config = yaml.safe_load(SHIPPED_CONFIG.read_text(encoding="utf-8"))
    inbound, outbound = config["policies"]

    def rule(name: str, did: str, **keys: Any) -> dict[str, Any]:
        match = {"direction": "inbound", "did": [did]}
        return {**inbound, "name": name, "match": match, **keys}

    everyone = {"direction": "inbound", "did": [DID, EARLY, WAITING, LIMITED, TWICE]}
    changes = {
        "notices": [
            {"id": "inbound", "version": "1", "languages": {"ro": {"information": information}}},
            {"id": "long", "version": "1", "languages": {"ro": {"information": slow}}},
            {"id": "outbound", "version": "1", "languages": {"ro": asked}},
        ],
        "policies": [
            rule("patient", PATIENT, grace_seconds=1.5),
            rule("long", LONG, notice="long"),
            rule("strict", STRICT, on_refusal="end-call"),
            {**outbound, "name": "asking", "match": {"direction": "inbound", "did": [ASKING]}},
            {"name": "never", "match": {"did": [NEVER]}, "mode": "never"},
            rule("unasked", UNASKED, mode="none-required", legal_basis="contract"),
            {**inbound, "match": everyone},
            outbound,
        ],
    }
    # YAML would write what occurs twice as an anchor, which the config refuses.
    whole: dict[str, Any] = json.loads(json.dumps(changes))
    return whole


def fast_site(directory: Path) -> Site:
    """Return a site that is not running yet."""
    return _with_numbers(Site(directory, changes=fast_changes(directory / "tones")))


def linked_site(directory: Path, ports: SitePorts, ari: Proxy, ami: Proxy) -> Site:
    """Return a site whose daemon and rescue process reach Asterisk through two proxies."""
    door = {"user": "ari-controller", "password_file": str(directory / "secret")}
    doors = {
        "ari": {**door, "url": f"http://127.0.0.1:{ari.port}"},
        "ami": {**door, "host": "127.0.0.1", "port": ami.port},
    }
    changes = {**fast_changes(directory / "tones"), "asterisk": doors}
    return _with_numbers(Site(directory, ports, changes=changes))


def _with_numbers(site: Site) -> Site:
    site.asterisk.files["extensions.conf"] += DIALPLAN
    return site
