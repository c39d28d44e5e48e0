"""What can come of asking the daemon, besides an answer."""


class ControlError(Exception):
    """The control socket did not do what was asked; the message says why and what to do."""


class SocketError(ControlError):
    """The socket cannot be opened for listening: its path, its folder, or a live daemon."""


class NotRunning(ControlError):
    """Nobody listens on the control socket."""


class NotAnswering(ControlError):
    """Somebody listens, and says nothing in time, or nothing that can be understood."""


class UnknownCall(ControlError):
    """The daemon has no such call in hand."""


class NotRecording(ControlError):
    """The call is there, but is not being recorded (any more)."""


class Rejected(ControlError):
    """The daemon did not accept the request."""
