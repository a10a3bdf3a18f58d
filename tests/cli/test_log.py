"""`resunit log` beside real runs."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.runs.folder import RunFolder
from tests.patience import PATIENCE, wait_until, without_signs_of_life

RESUNIT = [sys.executable, "-m", "resunit"]
TRAIN = ["train", "--recipe", "paper", "--data", "cifar10-sample", "--image-size", "8", "--model", "preresnet20",
         "--batch-size", "32", "--evaluate-steps", "2", "--evaluation-images", "50"]  # fmt: skip


def read_steps(path: Path) -> list[int]:
    return [int(row["step"]) for row in csv.DictReader(path.open(newline=""))]


def test_a_finished_run(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    assert main(["log", str(run), "--to", "csv", "--out", str(tmp_path / "log.csv"), "--json"]) == 0
    lines = RunFolder(run).read_log()
    assert json.loads(capsys.readouterr().out) == {"out": str(tmp_path / "log.csv"), "lines": len(lines)}
    assert read_steps(tmp_path / "log.csv") == [line.step for line in lines]
    assert main(["log", str(run), "--out", str(tmp_path / "log.csv"), "--follow"]) == 0


def test_a_stopped_run_says_how_it_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    stopped = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    result = stopped.read_result()
    assert result is not None
    stopped.write_result(replace(result, status="stopped"))
    log = ["log", str(stopped.path), "--out", str(tmp_path / "log.csv")]
    assert main([*log, "--follow"]) == 0
    goes_on = f"the run was stopped; go on with: resunit train --resume {stopped.path}"
    assert goes_on in capsys.readouterr().err
    assert main(log) == 0
    assert capsys.readouterr().err == ""


def test_what_cannot_be_done_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    for arguments, code in (
        ([str(tmp_path / "absent"), "--out", "x"], 1),
        ([str(run / "recipe.json"), "--out", "x", "--follow"], 1),
        ([str(run), "--out", str(tmp_path / "absent" / "log.csv")], 1),
        ([str(run), "--to", "excel", "--out", "x"], 2),
    ):
        assert main(["log", *arguments]) == code
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_the_package_one_line_names_the_extra(tmp_path: Path, run: Path) -> None:
    names = ("tensorboard", "wandb", "mlflow")
    code = (
        f"import sys; sys.modules |= dict.fromkeys({names!r}); from resunit.cli import main;"
        f"print([main(['log', {str(run)!r}, '--to', name, '--out', 'x']) for name in {names!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout == "[2, 2, 2]\n"
    for name, line in zip(names, without_signs_of_life(done.stderr), strict=True):
        assert f"--to {name} needs {name}: pip install 'resunit[log]'" in line
    assert not (tmp_path / "x").exists()


def test_follow_waits_for_the_run_and_ends_with_it(tmp_path: Path) -> None:
    follow = ["log", str(tmp_path / "run"), "--out", str(tmp_path / "log.csv"), "--follow"]
    following = subprocess.Popen([*RESUNIT, *follow], stderr=subprocess.PIPE, text=True)
    assert following.stderr is not None
    assert following.stderr.readline().startswith(f"{tmp_path / 'run'}: no run has begun there yet")
    train = [*RESUNIT, *TRAIN, "--steps", "8", "--out", str(tmp_path / "run")]
    subprocess.run(train, stdout=subprocess.DEVNULL, check=True)
    _, text = following.communicate(timeout=PATIENCE)
    assert following.returncode == 0
    assert "go on with" not in text
    assert read_steps(tmp_path / "log.csv") == [line.step for line in RunFolder(tmp_path / "run").read_log()]
    assert read_steps(tmp_path / "log.csv")[-1] == 8


@pytest.mark.full
def test_follow_ends_with_a_killed_run(tmp_path: Path) -> None:
    training = subprocess.Popen(
        [*RESUNIT, *TRAIN, "--steps", "5000", "--out", str(tmp_path / "run")], stdout=subprocess.DEVNULL
    )
    wait_until((tmp_path / "run" / "log.jsonl").exists, "no log.jsonl came")
    follow = ["log", str(tmp_path / "run"), "--out", str(tmp_path / "log.csv"), "--follow"]
    following = subprocess.Popen([*RESUNIT, *follow], stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "log.csv").exists, "no log.csv came")
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    _, text = following.communicate()
    assert following.returncode == 0
    assert f"the run was killed; go on with: resunit train --resume {tmp_path / 'run'}" in text
    assert read_steps(tmp_path / "log.csv")
