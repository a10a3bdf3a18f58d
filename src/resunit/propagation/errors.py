"""What the instrument refuses, in one line that says what to do instead."""


class PropagationError(ValueError):
    """The network, its inputs or its loss cannot be measured as they are; the message says the remedy."""
