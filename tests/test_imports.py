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
    {"json_lines"},
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


def imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").startswith("resunit.")
        ):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("resunit.")}
    return names


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    level = next(index for index, rooms in enumerate(ROOMS) if room in rooms)
    allowed = set().union(*ROOMS[:level]) | {room}
    if room in NOTHING_BUT_FOUNDATIONS:
        allowed = ROOMS[0] | {room}
    if room in NOTHING_OF_OURS:
        allowed = {room}
    assert imported_rooms(path) <= allowed


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
