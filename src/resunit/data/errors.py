"""What can go wrong between a user's words, the files and a data set."""

from resunit.names import UsageError


class DataError(OSError):
    """A file, folder or address is missing, altered or unreadable; the one line names it and the remedy."""


class UnknownDataset(UsageError):
    """A name that is neither a known data set nor a folder."""
