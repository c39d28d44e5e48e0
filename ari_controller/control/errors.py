"""What can come of asking the daemon, besides an answer."""


class ControlError(Exception):
    """The control socket did not do what was asked; the message says why and what to do."""


class SocketError(ControlError):
    """The socket cannot be opened for listening: its path, its folder, or a live daemon."""


class NotRunning(ControlError):  # noqa: N818 - a state of the daemon, not a failure of ours
    """Nobody listens on the control socket."""


class NotAnswering(ControlError):  # noqa: N818 - a state of the daemon, not a failure of ours
    """Somebody listens, and says nothing in time, or nothing that can be understood."""


class UnknownCall(ControlError):  # noqa: N818 - an answer, not a failure
    """The daemon has no such call in hand."""


class NotRecording(ControlError):  # noqa: N818 - an answer, not a failure
    """The call is there, but is not being recorded (any more)."""


class Rejected(ControlError):  # noqa: N818 - an answer, not a failure
    """The daemon did not accept the request."""
