"""What can go wrong between a user's words, the files and a data set."""


class DataError(OSError):
    """A file, folder or address is missing, altered or unreadable; the one line names it and the remedy."""


class DataUsageError(ValueError):
    """What was asked of the data does not exist or does not fit; the one line says what would."""


class UnknownDataset(DataUsageError):
    """A name that is neither a known data set nor a folder."""
