"""Records telephone calls on Asterisk only as the people on them agreed.

The rooms, from the inside out (an import may point inwards only; import-linter checks it):

core        the consent machine, policy, ledger chain, retention dates: pure, no I/O, no clock
metrics     every Prometheus metric, declared in one place
logs        structured logging with redaction
config      YAML to frozen, checked settings
asterisk    ARI (events, REST) and AMI (MixMonitor) as typed clients
store       SQLite: ledger, calls, recordings, do-not-record register; one writer
recording   spool, checks, sealing, archive
control     the Unix control socket, its server and its client
web         /metrics, /healthz, /readyz
prompts     builds the notice and prompt audio from its text
dispatcher  one inbox and one task per call: event -> core -> commands, carried out in order
rescue      the small process that frees calls when the daemon is dead or hung
daemon      wires everything together
cli         the commands
"""

__version__ = "0.1.0"
