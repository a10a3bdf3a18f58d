"""Real runs in real processes: skipped, killed, resumed, failed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from resunit.cli import main
from resunit.io.atomic import only_user_of
from resunit.reproduction.evidence.records import read_records, records_path
from resunit.reproduction.running.runner import PRELOADED
from resunit.runs.record_files import read_all, read_file
from resunit.runs.schema import ExperimentRecord, LogLine, RunResult
from tests.cli.command_lines import refused
from tests.data.photographs import write_photographs
from tests.patience import wait_until
from tests.reproduction.real_records import MINI

SMOKE = ["--scale", "smoke", "--jobs", "1"]
FEW = ["claims", "--only", "20-*", *SMOKE]  # two runs of ResNet-20, one a seed
ONE = ["claims", "--only", "20-conv-shortcut", *SMOKE]
THREADS = ("OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
WATCHED = ["--image-size=8", "--checkpoint-every=5", "--evaluate-steps=5", "--watch-propagation=10"]
LONGER = [*WATCHED, "--steps=20"]


def command(out: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "resunit", "reproduce", *arguments, "--out", str(out)]


def run(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, *arguments), capture_output=True, text=True)


def records(out: Path) -> dict[str, ExperimentRecord]:
    return {record.row: record for record in read_records(records_path(out, "smoke"))}


def computes(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def steps_logged(out: Path) -> int:
    logs = list(out.glob("runs/*/run/log.jsonl"))
    return max((len(log.read_text().splitlines()) * 5 for log in logs), default=0)


def test_the_process_that_runs_are_forked_from_asks_cuda_for_nothing() -> None:
    asked = "torch.cuda.is_available = torch.cuda.device_count = torch.cuda.init = lambda: sys.exit('CUDA was asked')"
    code = f"import sys, torch; {asked}; import {', '.join(PRELOADED)}; print(torch.cuda.is_initialized())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (told.stdout, told.returncode) == ("False\n", 0), told.stderr


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that nothing disturbed."""
    out = tmp_path_factory.mktemp("done")
    finished = run(out, *FEW, *LONGER)
    assert finished.returncode == 0, finished.stderr
    return out


def test_a_record_holds_the_settings_and_the_results_of_its_run(done: Path) -> None:
    record = records(done)["20-conv-shortcut"]
    assert record.model == "resnet20"
    assert record.design == "conv-shortcut"
    assert (record.scale, record.steps, record.batch_size, record.seed) == ("smoke", 20, 16, 0)
    assert record.status == "done"
    lines = read_all(LogLine, next(done.glob("runs/*20-conv-shortcut*/run/log.jsonl")))
    assert [point.step for point in record.curve] == list(range(5, 21, 5))
    result = read_file(RunResult, next(done.glob("runs/*20-conv-shortcut*/run/result.json")))
    assert record.train_loss == result.train_loss is not None
    assert record.train_error == result.train_error is not None
    assert record.test_error == lines[-1].error
    assert [line.images for line in lines] == [16] * 3 + [500]
    assert [point.step for point in record.propagation] == [0, 10]
    assert len(record.propagation[0].measures["negative_share"]) == 9, "one for each of ResNet-20's units"
    for value in (record.machine, record.precision, record.version, record.torch, record.threads):
        assert value
    assert record.train_flops
    assert record.wall_seconds


def test_finished_runs_are_not_run_again(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (done / "reproduce-smoke.jsonl").read_bytes()
    shutil.rmtree(done / "runs")  # the records are enough
    assert main(("reproduce", *FEW, *LONGER, "--out", str(done))) == 0
    assert "0 of 2 runs to do" in capsys.readouterr().err
    assert (done / "reproduce-smoke.jsonl").read_bytes() == before


def process_of_a_run(runner: subprocess.Popen[str]) -> psutil.Process:
    """It was forked from a server, a child of the runner."""
    return next(child for server in psutil.Process(runner.pid).children() for child in server.children())


@pytest.mark.full
def test_a_run_that_somebody_else_stops_goes_on_and_so_does_the_table(done: Path, tmp_path: Path) -> None:
    runner = subprocess.Popen(command(tmp_path, *FEW, *LONGER), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: steps_logged(tmp_path) >= 5, "no step was logged")
    process_of_a_run(runner).send_signal(signal.SIGTERM)
    _, errors = runner.communicate()
    assert runner.returncode == 0, errors
    for row, record in records(done).items():
        assert records(tmp_path)[row].test_error == record.test_error


@pytest.mark.parametrize(
    ("stop", "runs"),
    [
        pytest.param(signal.SIGKILL, ONE, id="one run, SIGKILL"),
        pytest.param(signal.SIGTERM, FEW, id="two runs, SIGTERM", marks=pytest.mark.full),
    ],
)
def test_a_stopped_runner_goes_on_from_checkpoints(
    done: Path, tmp_path: Path, stop: signal.Signals, runs: list[str]
) -> None:
    runner = subprocess.Popen(command(tmp_path, *runs, *LONGER), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: steps_logged(tmp_path) >= 10, "no step was logged")
    children = psutil.Process(runner.pid).children(recursive=True)
    runner.send_signal(stop)
    runner.wait()
    if stop == signal.SIGTERM:
        assert runner.returncode == 4
    wait_until(
        lambda: not any(child.is_running() and child.status() != "zombie" for child in children),
        "the runs went on",
    )
    checkpoints = list(tmp_path.glob("runs/*/run/checkpoints/*.safetensors"))
    assert checkpoints, "what was in flight has left a checkpoint"

    again = run(tmp_path, *runs, *LONGER)
    assert again.returncode == 0, again.stderr
    for row, resumed in records(tmp_path).items():
        record = records(done)[row]
        assert resumed.identity == record.identity
        assert (resumed.test_error, resumed.test_loss) == (record.test_error, record.test_loss)
        assert (resumed.train_loss, resumed.train_error) == (record.train_loss, record.train_error)
        assert (resumed.curve, resumed.propagation) == (record.curve, record.propagation)


@pytest.mark.full
@pytest.mark.parametrize("after", [0.0, 6.0])
def test_ctrl_c_is_one_line_however_often_and_early(tmp_path: Path, after: float) -> None:
    """A terminal sends it to all processes of the command: here too."""
    long = command(tmp_path, *FEW, *WATCHED, "--steps=2000")  # It goes on for longer than `after`.
    runner = subprocess.Popen(long, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until((tmp_path / "runs").exists, "no run began")
    time.sleep(after)
    for _ in range(3):
        os.killpg(runner.pid, signal.SIGINT)
        time.sleep(0.2)
    _, said = runner.communicate()
    assert runner.returncode == 4
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "resunit: stopped; the same command goes on from here"


@pytest.mark.full
def test_a_killed_run_is_recorded_and_the_rest_goes_on_and_it_is_tried_again(tmp_path: Path) -> None:
    runner = subprocess.Popen(command(tmp_path, *FEW, *LONGER), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: steps_logged(tmp_path) >= 5, "no step was logged")
    process_of_a_run(runner).send_signal(signal.SIGKILL)
    runner.communicate()
    assert runner.returncode == 1
    first, second = records(tmp_path).values()
    assert (first.status, first.error) == ("failed", "killed by signal 9")
    assert second.status == "done"
    again = run(tmp_path, *FEW, *LONGER)
    assert "1 of 2 runs to do" in again.stderr
    assert records(tmp_path)[first.row].status == "done"


@pytest.mark.full
def test_a_diverging_run_is_recorded_as_it_is(tmp_path: Path) -> None:
    settings = ["--learning-rate=1e29", "--warmup-learning-rate=1e29"]
    only = ["claims", "--only", "20-original", "--scale", "smoke"]
    assert run(tmp_path, *only, *LONGER, *settings).returncode == 0
    for record in records(tmp_path).values():
        assert record.status == "diverged"
        assert record.test_error is None
        assert record.train_loss is None


@pytest.mark.full
def test_a_full_disk_ends_in_one_line_and_finished_runs_stay(done: Path, tmp_path: Path) -> None:
    first = (done / "reproduce-smoke.jsonl").read_bytes().splitlines(keepends=True)[0]
    (tmp_path / "reproduce-smoke.jsonl").write_bytes(first)
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *command(tmp_path, *FEW, *LONGER)]
    failed = subprocess.run(limited, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "File too large" in failed.stderr.splitlines()[-1]
    assert str(tmp_path) in failed.stderr.splitlines()[-1]
    assert (tmp_path / "reproduce-smoke.jsonl").read_bytes().startswith(first)
    assert next(iter(records(tmp_path).values())) == next(iter(records(done).values()))


def test_a_second_runner_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with only_user_of(tmp_path):
        assert main(("reproduce", *FEW, "--out", str(tmp_path))) == 1
    assert str(tmp_path) in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("content", ['{"row": 1}\n', 'nonsense\n{"row": 1}\n', "[1]\n"])
def test_damaged_records_are_named_and_nothing_runs(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reproduce-smoke.jsonl").write_text(content)
    said = refused(capsys, 1, "reproduce", *FEW, "--out", str(tmp_path))
    assert "reproduce-smoke.jsonl, line 1" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.full
def test_a_record_that_was_cut_off_is_run_again(done: Path, tmp_path: Path) -> None:
    whole = (done / "reproduce-smoke.jsonl").read_text()
    (tmp_path / "reproduce-smoke.jsonl").write_text(whole[:-100])
    again = run(tmp_path, *FEW, *LONGER)
    assert again.returncode == 0
    assert "line 2: cut off, left out" in again.stderr
    assert "1 of 2 runs to do" in again.stderr
    assert len(records(tmp_path)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table9"], "table9"),
        (["table1", "--scale", "huge"], "huge"),
        (["table1", "--only", "nothing-*"], "nothing-*"),
        (["table1", "--seeds", "0"], "--seeds"),
        (["table1", "--run", "--jobs", "0"], "--jobs"),
        (["table1", "--run", "--records", "some.jsonl"], "--records"),
        (["table5", "--run"], "--data"),
        (
            [
                "claims",
                "--run",
                "--only",
                "20-original",
                "--data",
                "x",
                "--scale",
                "smoke",
                "--on",
                "ray",
                "--address",
                "127.0.0.1:9",
            ],
            "127.0.0.1:9",
        ),
        (["table1", "--stepps", "3"], "--steps"),
        (["table1", "--seed", "3"], "--seeds"),
    ],
)
def test_bad_arguments_are_one_line(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, 2, "reproduce", *arguments, "--out", str(tmp_path))


def test_records_go_into_a_folder_and_not_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, 2, "reproduce", "table1", "--only", "original", "--out", __file__)
    assert "test_runner.py" in said


@pytest.mark.full
def test_a_part_of_table_1_smokes(tmp_path: Path) -> None:
    finished = run(tmp_path, "table1", "--scale", "smoke", "--only", "scaling*")
    assert finished.returncode == 0, finished.stderr
    assert [record.seed for record in records(tmp_path).values()] == [0, 0]
    assert finished.stdout.count("scaling: shortcut") == 2
    assert "2 of 2 runs went through" in finished.stdout
    assert "undecided" not in finished.stdout


@pytest.mark.full
def test_table_5_on_a_folder_of_photographs(tmp_path: Path) -> None:
    """ResNet-101 on crops of 70 pixels; its val/ is what the errors are of, as ImageNet's is."""
    folder = write_photographs(tmp_path / "photos", val=1)
    few = ["--only", "101-original-*", "--scale", "smoke", "--seeds", "1",
           "--batch-size", "4", "--watch-propagation", "none"]  # fmt: skip
    finished = run(tmp_path / "out", "table5", *few, "--data", str(folder))
    assert finished.returncode == 0, finished.stderr
    record = records(tmp_path / "out")["101-original-scale-224"]
    assert (record.crop, record.steps, record.train_error is not None) == ("scale", 3, True)
    for error in (record.test_error, record.test_error_large_crop):
        assert error is not None
        assert 0 <= error <= 100
    assert [point.test_images for point in record.curve] == [6, 6]
    assert record.test_top5_error is None, "six classes have none"
    assert f"{record.test_error:.1f}" in finished.stdout
    assert "23.6 / 7.1" in finished.stdout


@pytest.mark.full
def test_table_1_smokes(tmp_path: Path) -> None:
    assert run(tmp_path, "table1", "--scale", "smoke").returncode == 0
    assert len(records(tmp_path)) == 11


def test_recorded_tables_are_shown_on_a_machine_without_the_data(tmp_path: Path) -> None:
    """Nothing is trained, fetched or written; the command trains what is missing."""
    environment = {
        "RESUNIT_DATA": str(tmp_path / "none"),
        "COLUMNS": "200",
        "PATH": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment |= {name: os.environ[name] for name in THREADS if name in os.environ}
    arguments = ["table3", "--only", "*-original", "--seeds", "4", "--learning-rate", "0.07", "--json"]
    shown = subprocess.run(
        command(tmp_path / "out", *arguments), capture_output=True, text=True, env=environment, check=True
    )
    document = json.loads(shown.stdout)
    assert document["command"].startswith(
        "resunit reproduce table3 --run --seeds 4 --only '*-original' --out"
    )
    assert document["command"].endswith("--learning-rate 0.07")
    assert {run["seed"] for run in document["missing"]} == {0, 1, 2, 3}
    assert list(tmp_path.iterdir()) == []


def test_a_recorded_table_shows_medians_and_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(("reproduce", "table1", "--records", str(MINI), "--out", str(tmp_path / "out"))) == 0
    assert "90.0 (89.6 to 90.0)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_records_are_shown_without_running_and_missing_ones_are_listed(
    done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At other scales than smoke, --run is what trains."""
    of_laptop = ["--only", "20-*", "--scale", "laptop", "--steps", "7", "--json"]
    assert main(("reproduce", "claims", *of_laptop, "--out", str(done))) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["records"] == []
    assert {(run["row"], run["seed"]) for run in shown["missing"]} == {
        (row, seed) for row in ("20-original", "20-conv-shortcut") for seed in range(5)
    }
    assert not (done / "reproduce-laptop.jsonl").exists()
