"""The control groups of Linux that this process is in: containers and batch systems set their limits there."""

from collections.abc import Iterator
from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNTED_AT = Path("/sys/fs/cgroup")


def control_groups(
    controller: str, membership: Path = MEMBERSHIP, mounted_at: Path = MOUNTED_AT
) -> Iterator[Path]:
    """Yield the folders of this process's group and of the groups above it, for one controller.

    A limit of each of these groups holds. Where the kernel has no control groups, nothing is yielded. Where the
    kernel does not name the process's groups, only the top of the tree is known, which is a container's own group.

    Args:
        controller: "cpu" or "memory".
        membership: the file that names the process's groups, in the form of /proc/self/cgroup.
        mounted_at: the folder of the groups: the controllers' folders of version 1, or the one tree of version 2.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        yield from filter(Path.is_dir, (mounted_at, mounted_at / controller))
        return
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if not controllers:
            root = mounted_at
        elif controller in controllers.split(","):
            root = mounted_at / controller  # This path is a link where one folder serves several controllers.
        else:
            continue
        # A container may see its own group as the root, while the group's path is still that on the host machine.
        parts = [part for part in path.split("/") if part]
        for length in range(len(parts), -1, -1):
            folder = root.joinpath(*parts[:length])
            if ".." not in parts and folder.is_dir():
                yield folder
        if ".." in parts:
            yield root
