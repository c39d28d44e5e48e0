"""The one way in which the store fails."""


class StoreError(Exception):
    """The store did not do what was asked; the message says why, the cause is attached."""


class Refused(StoreError):
    """The store will never do this: the ledger does not allow it, or the row is past it.

    Trying again is of no use.
    """
