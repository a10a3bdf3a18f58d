"""The names that people give to the folders of training, validation and test images."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

FolderKind = Literal["train", "validation", "test"]
KINDS: dict[str, FolderKind] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""What a folder holds, by its name in lower case."""
SPLIT_IN_NAME = re.compile(rf"(.*?)({'|'.join(sorted(KINDS, key=len, reverse=True))})(.*)")


def find_kinds(folders: list[Path]) -> Mapping[Path, FolderKind]:
    """Return the kinds of the folders whose names are those of splits.

    Without a folder called train, names that differ only in the split's name, such as training_set and test_set,
    are those of splits too.
    """
    plain: dict[Path, FolderKind] = {
        folder: KINDS[name] for folder in folders if (name := folder.name.lower()) in KINDS
    }
    if "train" in plain.values():
        return plain
    alike: defaultdict[tuple[str, str], dict[Path, FolderKind]] = defaultdict(dict)
    for folder in folders:
        if found := SPLIT_IN_NAME.fullmatch(folder.name.lower()):
            before, word, after = found.groups()
            alike[before, after][folder] = KINDS[word]
    for kinds in alike.values():
        if {"train"} < set(kinds.values()):
            return kinds
    return plain
