"""Which room imports which: a room knows only those above it."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "resunit"
ROOMS = [  # from the top of the house down
    {"names", "files"},
    {"json_lines", "progress_bar"},
    {"kernels"},
    {"batch_norm"},
    {"recomputation"},
    {"units"},
    {"designs"},
    {"own_code"},
    {"own_designs"},
    {"models"},
    {"tensor_files"},
    {"packing"},
    {"cost", "weights", "folding"},
    {"zoo"},
    {"zoo_table"},
    {"propagation"},
    {"data"},
    {"reports"},
    {"training"},
    {"experiments"},
    {"benchmarks"},
    {"dissection"},
    {"cli"},
    {"__main__"},
]
NOTHING_BUT_FOUNDATIONS = {"data", "reports"}
NOTHING_OF_OURS = {"propagation"}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(code: str, package: tuple[str, ...]) -> set[str]:
    """The second part of every name of ours that `code`, a module in `package`, imports in whichever way."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            origin = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*origin, *filter(None, [node.module])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("resunit.")}


@pytest.mark.parametrize(
    "code",
    [
        "import resunit.designs",
        "from resunit import designs",
        "from resunit.designs import DESIGNS",
        "from ... import designs",
        "from ...designs import DESIGNS",
        "def f():\n    from resunit.designs import DESIGNS",
    ],
)
def test_every_way_to_import_a_room_is_seen(code: str) -> None:
    assert imported_rooms(code, ("resunit", "data", "containers")) == {"designs"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    level = next(index for index, rooms in enumerate(ROOMS) if room in rooms)
    above = set().union(*ROOMS[:level])
    if room in NOTHING_BUT_FOUNDATIONS:
        above = ROOMS[0] | ROOMS[1]
    if room in NOTHING_OF_OURS:
        above = set()
    package = ("resunit", *path.relative_to(SOURCE).parts[:-1])
    assert imported_rooms(path.read_text(), package) <= above | {room, "__version__"}


def test_help_imports_no_torch_and_is_instant() -> None:
    code = "import sys; from resunit.cli import main; main(['train', '-h']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_answers_in_under_300_milliseconds() -> None:
    command = [str(Path(sys.executable).parent / "resunit"), "--help"]
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.3


def test_measuring_propagation_imports_no_plotting_library() -> None:
    code = (
        "import sys, resunit.propagation as p; "
        "sys.exit(bool({'matplotlib', 'plotly', 'transformers', 'timm', 'torchvision'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_resunit_is_enough_for_every_name_it_promises() -> None:
    code = (
        "import sys, resunit; assert 'torch' not in sys.modules; "
        "resunit.propagation.measure, resunit.folding.folded, resunit.designs.DESIGNS; "
        "[getattr(resunit, name) for name in dir(resunit)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
