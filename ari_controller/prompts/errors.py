"""The one way in which building prompts fails."""


class PromptsError(Exception):
    """No sound file came of it; the message says why and what to do."""
