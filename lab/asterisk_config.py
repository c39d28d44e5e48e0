"""The configuration that every lab Asterisk starts from; callers lay their own files over it."""

from dataclasses import dataclass
from pathlib import Path

from lab.ports import RTP_PORTS

LIBRARIES = Path("usr/lib/x86_64-linux-gnu")

# They need hardware, the network, or a configuration that nobody here has.
NOT_LOADED = (
    "app_adsiprog",
    "app_agent_pool",
    "app_alarmreceiver",
    "app_amd",
    "app_confbridge",
    "app_festival",
    "app_followme",
    "app_getcpeid",
    "app_minivm",
    "app_page",
    "app_voicemail",
    "app_voicemail_imap",
    "app_voicemail_odbc",
    "cdr_adaptive_odbc",
    "cdr_csv",
    "cdr_custom",
    "cdr_manager",
    "cdr_odbc",
    "cdr_pgsql",
    "cdr_radius",
    "cdr_sqlite3_custom",
    "cdr_tds",
    "cel_custom",
    "cel_manager",
    "cel_odbc",
    "cel_pgsql",
    "cel_radius",
    "cel_sqlite3_custom",
    "cel_tds",
    "chan_alsa",
    "chan_console",
    "chan_dahdi",
    "chan_iax2",
    "chan_mobile",
    "chan_motif",
    "chan_ooh323",
    "chan_unistim",
    "chan_websocket",
    "func_odbc",
    "pbx_ael",
    "pbx_dundi",
    "pbx_lua",
    "res_adsi",
    "res_aeap",
    "res_calendar",
    "res_calendar_caldav",
    "res_calendar_ews",
    "res_calendar_exchange",
    "res_calendar_icalendar",
    "res_clialiases",
    "res_config_ldap",
    "res_config_odbc",
    "res_config_pgsql",
    "res_config_sqlite3",
    "res_geolocation",
    "res_hep",
    "res_hep_pjsip",
    "res_hep_rtcp",
    "res_http_media_cache",
    "res_odbc",
    "res_odbc_transaction",
    "res_phoneprov",
    "res_pjsip_config_wizard",
    "res_pjsip_geolocation",
    "res_pjsip_notify",
    "res_pjsip_phoneprov_provider",
    "res_pjsip_stir_shaken",
    "res_prometheus",
    "res_resolver_unbound",
    "res_smdi",
    "res_snmp",
    "res_speech_aeap",
    "res_statsd",
    "res_stir_shaken",
    "res_stun_monitor",
    "res_xmpp",
)

# Asterisk complains about each one that is missing and is content with an empty one.
EMPTY_FILES = (
    "acl.conf",
    "ccss.conf",
    "cdr.conf",
    "cel.conf",
    "features.conf",
    "pjproject.conf",
    "queuerules.conf",
    "queues.conf",
    "res_fax.conf",
    "res_parking.conf",
    "udptl.conf",
    "websocket_client.conf",
)

INDICATIONS = """\
[general]
country = ro
[ro]
description = Romania
ringcadence = 1850,4150
dial = 450
busy = 450/167,0/167
ring = 450/1850,0/4150
congestion = 450/400,0/400
"""


@dataclass(frozen=True)
class Ports:
    """Where an Asterisk listens on 127.0.0.1: SIP over UDP, ARI over HTTP, AMI."""

    sip: int
    ari: int
    ami: int


def base_files(root: Path, state: Path, run_dir: Path, ports: Ports) -> dict[str, str]:
    """Return what each file holds when the caller does not replace it."""
    var = state / "var"
    directories = {
        "astcachedir": var / "cache",
        "astetcdir": state / "etc",
        "astmoddir": root / LIBRARIES / "asterisk/modules",
        "astvarlibdir": var / "lib",
        "astdbdir": var / "lib",
        "astkeydir": var / "lib",
        "astdatadir": var / "data",
        "astagidir": var / "lib/agi-bin",
        "astspooldir": var / "spool",
        "astrundir": run_dir,
        "astlogdir": var / "log",
        "astsbindir": root / "usr/sbin",
    }
    listed = "".join(f"{name} => {path}\n" for name, path in directories.items())
    return dict.fromkeys(EMPTY_FILES, "") | {
        "asterisk.conf": f"[directories]\n{listed}\n[options]\nverbose = 3\nhideconnect = yes\n",
        "modules.conf": "[modules]\nautoload = yes\n"
        + "".join(f"noload = {module}.so\n" for module in NOT_LOADED),
        "logger.conf": "[general]\ndateformat = %F %T.%3q\n[logfiles]\n"
        "messages = notice,warning,error\nfull = notice,warning,error,verbose\n",
        "rtp.conf": f"[general]\nrtpstart = {RTP_PORTS.start}\nrtpend = {RTP_PORTS.stop - 1}\n"
        "strictrtp = yes\nicesupport = no\n",
        "http.conf": f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {ports.ari}\n",
        "ari.conf": "[general]\nenabled = yes\n",
        "manager.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n"
        f"port = {ports.ami}\nwebenabled = no\n",
        "extensions.conf": "[default]\n",
        "indications.conf": INDICATIONS,
        "pjsip.conf": "[transport-udp]\ntype = transport\nprotocol = udp\n"
        f"bind = 127.0.0.1:{ports.sip}\n",
    }
