"""What can go wrong between a user's words, the files and a data set."""

from resunit.names import UsageError


class DataError(OSError):
    """A file, folder or address is missing, altered or unreadable; the one line names it and the remedy."""


class Unreachable(DataError):
    """No source of a data set could be reached; the line names those that were tried."""


class UnknownDataset(UsageError):
    """A name that is neither a known data set nor a folder."""
