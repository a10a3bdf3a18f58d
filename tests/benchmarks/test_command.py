"""`python -m benchmarks` as developers type it: one JSON document, missing libraries named, bad input refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import app
from benchmarks.records import read_newest_records
from resunit.cli.app import USAGE, run
from resunit.ops.processor import supports_bf16
from resunit.runs import record_files
from tests.benchmarks.examples import recipe_run

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str, folder: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, after `code`."""
    lines = [
        "import sys",
        *([code] if code else []),
        "from benchmarks.__main__ import app",
        "from resunit.cli.app import run",
        "sys.exit(run(app, sys.argv[1:]))",
    ]
    script = folder / "program.py"  # It must be a file, because new processes import it.
    script.write_text("if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in lines))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.full
def test_train_prints_one_document_with_ratios_and_names_a_missing_library(tmp_path: Path) -> None:
    done = benchmarks(
        *("train", "--model", "preresnet20", "--batch-size", "2", "--rounds", "1"),
        *("--against", "pytorchcv,torch-resnet", "--json"),
        folder=tmp_path,
        code="sys.modules['torch_resnet'] = None",  # so that find_spec finds no such library
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    checks = {check["quantity"]: check for check in document["checks"]}
    assert {
        "preresnet20: images/s over pytorchcv as its users run it",
        "preresnet20: images/s over pytorchcv at its best",
        "preresnet20: share of the convolution-only limit",
    } <= set(checks)
    for check in checks.values():
        assert 0 < check["found"]["least"] <= check["found"]["median"] <= check["found"]["most"]
    assert any("torch-resnet" in notice for notice in document["notices"])
    assert {"processor", "cores", "threads", "torch", "commit"} <= set(document["machine"])
    entries = {measurement["entry"] for measurement in document["measurements"]}
    assert {"GEMM fp32", "memory bandwidth"} <= entries
    assert ("GEMM bf16" in entries) == supports_bf16(torch.device("cpu"))
    (records,) = read_newest_records(tmp_path / "results", "train").values()
    kept = [record.measurement for record in records]
    assert [m.entry for m in kept] == [m["entry"] for m in document["measurements"]]
    assert all(len(m.seconds) == 1 for m in kept)
    assert {m.details.parameters for m in kept} == {272_282, None}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("trian",), "'train'"),
        (("train", "--against", "pytorchvc"), "'pytorchcv'"),
        (("train", "--model", "preresnet21"), "'preresnet21'"),
        (("infer", "--model", "preresnet21"), "'preresnet21'"),
        (("memory", "--model", "preresnet21"), "'preresnet21'"),
        (("growth", "--model", "preresnet20"), "--model"),
        (("startup", "--batch-size", "8"), "--batch-size"),
        (("document", "--rounds", "8"), "--rounds"),
        (("train", "--rounds", "0"), "--rounds"),
        (("accuracy", "--train-seeds", "0"), "--train-seeds"),
        (("document",), "{folder}"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, [*arguments, "--out", str(tmp_path)]) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert named.format(folder=tmp_path) in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "entries", "quantity"),
    [
        (
            ("infer", "--model", "preresnet20", "--batch-size", "2"),
            {"resunit", "resunit folded", "pytorchcv default", "pytorchcv best"},
            "latency|throughput",
        ),
        (
            ("serving", "--model", "preresnet20", "--batch-size", "2"),
            {
                "resunit folded fp32",
                "ONNX Runtime fp32",
                "ONNX Runtime int8",
                "OpenVINO fp32",
                "OpenVINO int8",
            },
            "throughput, fp32, over the faster of the two",
        ),
        (
            ("growth", "--model", "preresnet20", "--model", "preresnet32", "--batch-size", "2"),
            {"preresnet20", "preresnet32"},
            "seconds per unit, preresnet32 over preresnet20",
        ),
        (
            ("memory", "--model", "preresnet56", "--batch-size", "64"),
            {"resunit fast", "resunit small", "pytorchcv default", "pytorchcv best"},
            "speed, activation_checkpointing=small over activation_checkpointing=fast",
        ),
        (("program", "--batch-size", "250"), {"bare step", "resunit train"}, "over those of its bare step"),
        (
            ("startup",),
            {"resunit --help", "import resunit", "first training step"},
            "first training step|resunit --help|import resunit",
        ),
        (
            ("watch", "--batch-size", "4"),
            {"forward and backward", "propagation.measure", "training", "training, watched"},
            "watch_propagation=20 over none",
        ),
    ],
)
def test_every_subject_measures_what_its_targets_need(
    arguments: tuple[str, ...], entries: set[str], quantity: str, tmp_path: Path
) -> None:
    done = benchmarks(*arguments, "--rounds", "1", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert entries <= {measurement["entry"] for measurement in document["measurements"]}
    assert any(re.search(quantity, check["quantity"]) for check in document["checks"])
    assert all(check["found"]["median"] > 0 for check in document["checks"])
    memory = {m["entry"]: m["details"]["memory"] for m in document["measurements"]}
    if "resunit small" in memory:
        assert memory["resunit small"] < memory["resunit fast"]


def test_the_newest_settings_count_and_accuracy_is_a_mean_over_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = recipe_run(epochs=11.0, test_error=50.0)
    repeated = [recipe_run(seed=1, test_error=60.0), recipe_run(seed=1, test_error=9.2)]
    record_files.append_records(tmp_path / "quick.jsonl", [older, recipe_run(), *repeated])
    assert run(app, ["accuracy", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    plain, mirror, tta, arithmetic = document["checks"]
    assert plain["found"]["median"] == pytest.approx(91.4)
    assert (plain["target"], plain["met"]) == (91.5, False)
    assert mirror["met"] is None
    assert (tta["found"]["median"], tta["met"]) == (pytest.approx(93.0), True)
    assert arithmetic["found"]["median"] == pytest.approx(0.09)
    assert any("fast94" in notice for notice in document["notices"])


def test_runs_that_shared_their_machine_have_no_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_files.append_records(
        tmp_path / "quick.jsonl", [recipe_run(seed=seed, alone=False) for seed in range(2)]
    )
    assert run(app, ["accuracy", "--out", str(tmp_path)]) == 0
    assert "93 %" in capsys.readouterr().out
    ((record,),) = read_newest_records(tmp_path, "accuracy").values()
    assert record.measurement.seconds == ()


def test_the_package_does_not_import_the_benchmarks() -> None:
    sources = (ROOT / "src" / "resunit").rglob("*.py")
    pattern = re.compile(r"^\s*(from|import) benchmarks\b", re.MULTILINE)
    assert [path for path in sources if pattern.search(path.read_text())] == []
