"""What can go wrong with Asterisk, sorted by what the caller may conclude from it."""


class AsteriskError(Exception):
    """Anything that Asterisk, or the way to it, did not do for us."""


class Unavailable(AsteriskError):
    """No usable answer (connection lost, time-out, 5xx): the outcome is unknown."""


class Refused(AsteriskError):
    """Asterisk said no (4xx, `Response: Error`): nothing was done."""


class NotFound(Refused):
    """The channel, playback, application or event source does not exist (any more)."""


class Conflict(Refused):
    """The resource is in another state, such as a channel that is not in Stasis."""


class UnsafeValue(Refused):
    """A value that could change the meaning of a request; refused here, nothing was sent."""


class DecodeError(AsteriskError):
    """A message from Asterisk that is not what its documentation says."""


class Replaced(AsteriskError):
    """Another client took over the application's name: its events no longer reach us."""
