"""The packages of other tools, which the extra `log` installs."""

from collections.abc import Iterator
from contextlib import contextmanager

from resunit.errors import UsageError


@contextmanager
def needed_package(name: str) -> Iterator[None]:
    """Import a package within the context. Raises UsageError if it is not installed."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"--to {name} needs the package {name}; pip install 'resunit[log]', or give --to csv"
        ) from error
