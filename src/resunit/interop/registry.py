"""The libraries whose weights resunit reads, and the architectures of each by name."""

import re

from resunit.errors import UsageError, unknown
from resunit.interop.akamaster import AKAMASTER
from resunit.interop.keras import KERAS
from resunit.interop.kuangliu import KUANGLIU
from resunit.interop.library import Architecture, Library
from resunit.interop.pytorchcv import PYTORCHCV
from resunit.interop.timm import TIMM
from resunit.interop.torch_resnet import TORCH_RESNET
from resunit.interop.torchvision import TORCHVISION
from resunit.interop.transformers import TRANSFORMERS
from resunit.io.places import user_path

LIBRARIES: dict[str, Library] = {
    library.name: library
    for library in (TIMM, TORCHVISION, PYTORCHCV, TORCH_RESNET, KERAS, AKAMASTER, KUANGLIU, TRANSFORMERS)
}


def find_library(name: str) -> Library:
    """Return the library called `name`. Raises UsageError if resunit does not know it."""
    if name not in LIBRARIES:
        raise unknown("library", name, LIBRARIES)
    return LIBRARIES[name]


def find_architecture(library: Library, name: str) -> Architecture:
    """Return an architecture of `library`.

    Args:
        library: the library.
        name: the library's name for it. Upper and lower case are the same, as are "resnet-50" and "resnet50"; an
            owner before a slash and timm's tag after a dot are left out. For transformers, also a config.json.

    Raises:
        FileFormatError: `name` is a configuration file that is missing or damaged.
        UsageError: there is no such architecture, or resunit cannot express it; the message says why.
    """
    if library.from_config is not None and name.endswith(".json"):
        return library.from_config(user_path(name))
    if name in library.architectures:
        return library.architectures[name]
    plain = _plain(name)
    for known, architecture in library.architectures.items():
        if _plain(known) == plain:
            return architecture
    bare = name.rpartition("/")[2].lower()
    for refusal in library.refusals:
        if re.search(refusal.pattern, bare):
            raise UsageError(f"{library.name}'s {name} cannot be expressed: {refusal.reason}")
    raise unknown(f"architecture of {library.name}", name, library.architectures)


def _plain(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0].lower().replace("-", "").replace("_", "")
