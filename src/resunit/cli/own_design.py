"""Designs of the user's own that a run or a weights file names; a command imports them, as `--design` does."""

import warnings
from pathlib import Path

from resunit.errors import FileFormatError, UsageError
from resunit.models.design_source import is_own_design, source_of
from resunit.runs.folder import RunFolder


class ChangedDesign(UserWarning):
    """The code of a design is not what it was when the weights were trained."""


def import_design(design: str | None, origin: Path) -> None:
    """Import a design if it is the user's own; other designs need no import. `origin` is the file that names it.

    Raises:
        FileFormatError: the design cannot be imported; the message names the module and what to do.
    """
    if not is_own_design(design):
        return
    from resunit.models.custom import add_design

    try:
        add_design(design)
    except UsageError as error:
        raise FileFormatError(f"{origin}: {error}") from error


def import_design_of(source: Path) -> None:
    """Import the design of the user's own that a run's folder or a weights file names, if it names one.

    Code that has changed since the run was trained gives a ChangedDesign warning. A file that is no weights
    file is ignored here, and refused by the code that reads it.

    Raises:
        FileFormatError: the weights file is damaged or foreign, or the design cannot be imported.
    """
    from resunit.models.registry import HUB_WEIGHTS
    from resunit.models.weights import read_design

    path = source
    if source.is_dir():
        of_hub = source / HUB_WEIGHTS
        path = of_hub if of_hub.is_file() else RunFolder(source).weights
    if not path.is_file() or path.suffix != ".safetensors":
        return
    recorded = read_design(path)
    import_design(recorded.name, path)
    if recorded.source is not None and source_of(recorded.name).sha256 != recorded.source.sha256:
        warnings.warn(
            f"{path}: {recorded.source.file} has changed since these weights were trained, so the network may be "
            "another one",
            ChangedDesign,
            stacklevel=2,
        )
