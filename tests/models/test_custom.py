"""Designs of a user's own: the worked example, and what is refused."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from resunit import add_design, create_model
from resunit.errors import FileFormatError, UsageError
from resunit.models.design_source import DesignSource, source_of
from resunit.models.designs import DESIGNS
from resunit.models.weights import read_weights
from resunit.ops.activation_checkpointing import enable_activation_checkpointing
from resunit.reproduction.paper.tables import TABLES
from resunit.reproduction.plan import make_own_row, select_rows
from tests.models.parts import part, units

PAGE = Path(__file__).parents[2] / "docs" / "your-own-row.md"
BLOCKS = re.findall(r"```python\n(# my_units\.py.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLE = "my_units:SqueezeShortcut"


@pytest.fixture
def my_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Writes the user's file into an empty current folder; what was imported and added goes away again."""
    monkeypatch.chdir(tmp_path)
    known, path = dict(DESIGNS), list(sys.path)

    def write(*blocks: str) -> Path:
        file = tmp_path / "my_units.py"
        file.write_text("\n".join(blocks))
        return file

    yield write
    DESIGNS.clear()
    DESIGNS.update(known)
    sys.path[:] = path
    sys.modules.pop("my_units", None)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "resunit", *arguments], capture_output=True, text=True)


def test_the_example_is_the_shortcut_of_every_unit(my_units: Callable[..., Path]) -> None:
    my_units(*BLOCKS)
    add_design(EXAMPLE)
    network = create_model("resnet20", design=EXAMPLE, reduction=8)
    found = [m for m in network.modules() if type(m).__name__ == "SqueezeShortcut"]
    widths = [part(m, "excite", nn.Linear).out_features for m in found]
    assert widths == [16] * 3 + [32] * 3 + [64] * 3
    assert part(found[0], "squeeze", nn.Linear).out_features == 2
    x = torch.randn(2, 64, 8, 8)
    unit = units(network)[7].eval()
    expected = torch.relu(found[7](x) + unit.branch(x))
    torch.testing.assert_close(unit(x), expected)


def test_a_whole_design_of_ones_own(my_units: Callable[..., Path]) -> None:
    my_units(*BLOCKS)
    add_design("my_units:DAMPED")
    network = create_model("resnet20", design="my_units:DAMPED", damping=0.25)
    unit = units(network)[1].eval()
    branch = part(unit, "branch", nn.Sequential)[:-1]
    x = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(unit(x), x + 0.25 * branch(x))


@pytest.mark.full
def test_the_python_lines_of_the_page_measure_the_shortcut(my_units: Callable[..., Path]) -> None:
    my_units(BLOCKS[0])
    (lines,) = re.findall(r"```python\n(import resunit\n.*?)```", PAGE.read_text(), re.DOTALL)
    batch = "import torch\nimages, labels = torch.randn(2, 3, 32, 32), torch.arange(2)\n"
    script = batch + lines + "print(len(result.junctions))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "54\n", done.stderr


NORMALISED = """
from torch import nn

class NormalisedShortcut(nn.Sequential):
    def __init__(self, channels: int):
        super().__init__(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        nn.init.dirac_(self[0].weight)
"""


def test_layers_of_an_own_shortcut_keep_their_initialisation(my_units: Callable[..., Path]) -> None:
    my_units(NORMALISED)
    add_design("my_units:NormalisedShortcut")
    network = create_model("resnet20", design="my_units:NormalisedShortcut")
    weights = [
        m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1)
    ]
    assert len(weights) == 9
    assert all(torch.equal(w[:, :, 0, 0], torch.eye(len(w))) for w in weights)


def test_batch_norms_of_an_own_shortcut_are_updated_once_where_activations_are_computed_again(
    my_units: Callable[..., Path],
) -> None:
    my_units(NORMALISED)
    add_design("my_units:NormalisedShortcut")
    network = create_model("resnet32", design="my_units:NormalisedShortcut")
    enable_activation_checkpointing(network.stages)
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    counts = [int(b) for name, b in network.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [1] * (1 + 15 * 3)


@pytest.mark.full
def test_an_own_shortcut_trains_from_the_command_line_with_its_options(my_units: Callable[..., Path]) -> None:
    my_units(BLOCKS[0])
    arguments = [
        "train",
        "--model",
        "resnet20",
        "--design",
        EXAMPLE,
        "--data",
        "cifar10-sample",
        "--out",
        "run",
    ]
    short = ["--steps", "2", "--batch-size", "16", "--bias", "0.5", "--json"]
    finished = run(*arguments, *short)
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert (result["design"], result["steps"]) == (EXAMPLE, 2)
    assert json.loads(Path("run/recipe.json").read_text())["model_options"] == {"bias": 0.5}
    # A file does not import anybody's code.
    with pytest.raises(FileFormatError, match="add_design"):
        read_weights(Path("run/weights.safetensors"))
    add_design(EXAMPLE)
    assert read_weights(Path("run/weights.safetensors")).spec.design_options["bias"] == 0.5
    wrong = run(*arguments[:-1], "other", "--biass", "0.5")
    assert wrong.returncode == 2
    assert "did you mean --bias?" in wrong.stderr


@pytest.mark.full
def test_an_own_shortcut_is_a_row_beside_the_papers_rows(my_units: Callable[..., Path]) -> None:
    file = my_units(BLOCKS[0])
    arguments = ["reproduce", "claims", "--only", "20-original", "--scale", "smoke", "--seeds", "1", "--json"]
    finished = run(*arguments, "--add", EXAMPLE)
    assert finished.returncode == 0, finished.stderr
    first = json.loads(finished.stdout)
    assert [(row["label"], row["remark"]) for row in first["rows"]] == [
        ("ResNet-20, original", ""),
        ("SqueezeShortcut", "your own"),
    ]
    identities = {record["row"]: record["identity"] for record in first["records"]}
    file.write_text(file.read_text() + "\n# changed\n")
    second = json.loads(run(*arguments, "--add", EXAMPLE).stdout)
    again = {record["row"]: record["identity"] for record in second["records"]}
    assert again["20-original"] == identities["20-original"]
    assert again["SqueezeShortcut"] != identities["SqueezeShortcut"]


@pytest.mark.parametrize(("table", "data"), [("table1", "cifar10"), ("table5", None)])
def test_an_own_shortcut_is_trained_on_the_data_of_its_table(
    my_units: Callable[..., Path], table: str, data: str | None
) -> None:
    my_units(BLOCKS[0])
    assert make_own_row(TABLES[table], EXAMPLE).data == data


def test_an_own_shortcut_can_be_run_alone(my_units: Callable[..., Path]) -> None:
    my_units(BLOCKS[0])
    ids = [[row.id for row in select_rows("table1", TABLES["table1"], only, [EXAMPLE])]
           for only in ("orig*", "Squeeze*")]  # fmt: skip
    assert ids == [["original", "SqueezeShortcut"], ["SqueezeShortcut"]]
    with pytest.raises(UsageError, match=r"'SqueezeShortcu'.*'SqueezeShortcut'"):
        select_rows("table1", TABLES["table1"], "SqueezeShortcu", [EXAMPLE])


def test_the_source_of_an_own_design_is_its_file(my_units: Callable[..., Path]) -> None:
    file = my_units(BLOCKS[0])
    add_design(EXAMPLE)
    assert source_of(EXAMPLE) == DesignSource("my_units.py", hashlib.sha256(file.read_bytes()).hexdigest())


HEAD = "import torch\nfrom torch import nn\n"
WRONG = {
    "class A:\n    pass": "my_units:A .*Module",
    HEAD + "class A(nn.Module):\n    def __init__(self): super().__init__()": "my_units:A: ",
    HEAD
    + "class A(nn.Identity):\n    def __init__(self, channels, x): super().__init__()": "my_units:A: .*'x'",
    HEAD
    + "class A(nn.AvgPool2d):\n    def __init__(self, c): super().__init__(2)": r"my_units:A: .*\(2, 16, 4, 4\)",
    HEAD + "class A(nn.Module):\n    def __init__(self, c): 1 / 0": "ZeroDivisionError",
    "B = 1": "my_units .*'A'",
    "def": "SyntaxError",
    "import nowhere": "my_units .*ModuleNotFoundError: .*'nowhere'",
}


@pytest.mark.parametrize(("code", "named"), WRONG.items())
def test_what_is_no_design_is_refused_in_a_line(my_units: Callable[..., Path], code: str, named: str) -> None:
    my_units(code)
    with pytest.raises(UsageError, match=named):
        add_design("my_units:A")
    assert "my_units:A" not in DESIGNS


def test_a_name_alone_imports_nothing(my_units: Callable[..., Path]) -> None:
    my_units("raise SystemExit('imported')")
    with pytest.raises(UsageError, match=r"resunit\.add_design\('my_units:A'\)"):
        create_model("resnet20", design="my_units:A")
    with pytest.raises(UsageError, match="MODULE:CLASS"):
        add_design("my_units")
    with pytest.raises(UsageError, match="nowhere"):
        add_design("nowhere:A")
    with pytest.raises(UsageError, match=r"my_units .*SystemExit"):
        add_design("my_units:A")


@pytest.mark.parametrize("file", ["./my_units.py", "../there/my_units.py", "my_units.py", "./my_units"])
def test_a_file_in_place_of_its_module_is_told_the_module(my_units: Callable[..., Path], file: str) -> None:
    my_units("")
    with pytest.raises(UsageError, match=rf"{re.escape(file)}.* my_units:A; .* PYTHONPATH"):
        add_design(f"{file}:A")
