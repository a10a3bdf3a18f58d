"""Commands where stdout or stderr is closed, full, dumb or not UTF-8, and where a signal ends them early."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from resunit.cli import main
from resunit.cli.app import app
from resunit.cli.interruption import signals_interrupt
from resunit.cli.process import claim_process
from resunit.io.ending_signals import ENDING_SIGNALS
from resunit.runs.folder import RunFolder, create_run_folder
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.cli.command_lines import TRAIN, refused
from tests.patience import PATIENCE, without_signs_of_life

RESUNIT = [sys.executable, "-m", "resunit"]
SHORT = ["--recipe", "paper", "--model", "preresnet20", "--image-size", "8", "--batch-size", "4",
         "--steps", "1"]  # fmt: skip


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which $R is resunit."""
    environment = {**os.environ, "R": " ".join(RESUNIT), **variables}
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


def test_closed_streams_change_no_exit_code_and_no_other_stream() -> None:
    assert shell("$R --version >&-").returncode == 0
    done = shell("$R predict x 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    assert shell("$R predict x >&- 2>&- <&-").returncode == 2


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    done = shell("$R --version >/dev/full")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "stdout" in done.stderr


@pytest.mark.full
def test_a_whole_run_without_streams(tmp_path: Path) -> None:
    run = " ".join([*TRAIN, *SHORT])
    done = shell(f"$R {run} --out '{tmp_path}/run' >&- 2>&-")
    assert (done.returncode, done.stdout) == (0, "")
    result = RunFolder(tmp_path / "run").read_result()
    assert result is not None
    assert result.status == "done"


def test_an_ascii_terminal_gets_names_escaped(tmp_path: Path, run: Path) -> None:
    picture = tmp_path / "café.png"
    Image.new("RGB", (32, 32), "red").save(picture)
    done = shell(f"$R predict '{run}' '{picture}'", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "caf\\xe9.png: " in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("models", "resnet20", "--draw"),
        ("explore", "--out"),
        ("propagation", "resnet20", "--batch-size", "2", "--out"),
    ],
)
def test_the_path_of_a_written_page_or_picture_is_printed_escaped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    ending = ".svg" if command[0] == "models" else ".html"
    assert main([*command, f"\x1b[31mred\n{ending}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == rf"\x1b[31mred\n{ending}"


@pytest.mark.full
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_of_any_bytes_go_through_all_commands(locale: str, tmp_path: Path) -> None:
    """A byte that is no UTF-8, an end of a line, and what would colour a terminal."""
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    names = ["caf\udce9", "a\nb", "\x1b[31mred", "naïve"]
    shown = [r"caf\xe9", r"a\nb", r"\x1b[31mred"]
    for label, name in enumerate(names):
        (place / "photos" / name).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (32, 32), (60 * label, 60 * number, 9))
            image.save(place / "photos" / name / f"{name}{number}.png")
    environment = {**os.environ, "LC_ALL": locale}
    environment.pop("PYTHONIOENCODING", None)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*RESUNIT, *arguments], env=environment, cwd=place, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
        return done.stdout.decode() + done.stderr.decode()

    (place / "photos" / names[0] / "x.heic").write_bytes(b"")
    text = run("train", *SHORT, "--data", "photos", "--out", "run")
    assert rf"photos/{shown[0]}: 1 file" in text
    files = [f"photos/{name}/{name}0.png" for name in names]
    lines = run("predict", "run", *files, "--top", "4").splitlines()
    assert len(lines) == 4
    for name, line in zip(shown, lines, strict=False):
        assert line.startswith(f"photos/{name}/{name}0.png: ")
        assert all(f"{other} " in line for other in shown)
    answers = json.loads(run("predict", "run", *files, "--json"))
    assert [answer["image"] for answer in answers] == files
    assert {answer["class"] for answer in answers[0]["classes"]} <= set(names)
    assert json.loads(run("evaluate", "run", "--json"))["classes"] == sorted(names)
    assert r"\xff/photos: " in run("evaluate", "run", "--data", str(place / "photos"))
    run("data", "show", "photos", "--out", "samples.png")
    page = Path(os.fsdecode(place), "run", "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert all(f">{name}<" in page for name in shown)


@pytest.mark.full
@pytest.mark.parametrize(("terminal", "has_escapes"), [("dumb", False), ("", False), ("xterm", True)])
def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path, terminal: str, has_escapes: bool) -> None:
    ours, theirs = pty.openpty()
    command = [*RESUNIT, *TRAIN, *SHORT, "--out", str(tmp_path / "run")]
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": terminal}
    ) as process:
        os.close(theirs)
        shown = b""
        while part := read_or_end(ours):
            shown += part
    assert process.returncode == 0
    assert (b"\x1b" in shown) == has_escapes
    assert b"test error" in shown


def read_or_end(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Nobody has the terminal open any more.
        return b""


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "~/absent"], ["train", "--resume=~/absent"], ["train", "--config", "~/absent"],
        ["predict", "~/absent", "x"],
        ["train", "--data=~/absent"], ["reproduce", "table1", "--records=~/absent"], ["report", "~/absent", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_path_with_a_tilde_is_looked_for_at_home(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(command) in (1, 2)
    assert str(tmp_path / "absent") in capsys.readouterr().err


@pytest.mark.full
def test_a_tilde_is_the_home_in_any_path(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done").symlink_to(run)
    assert main([*TRAIN, *SHORT, "--out=~/mine", "--json"]) == 0
    assert RunFolder(tmp_path / "mine").recipe.exists()
    assert main(["train", "--config=~/mine/recipe.json", "--out", "~/again", "--json"]) == 0
    assert main(["train", "--resume=~/again", "--json"]) == 0
    assert main(["evaluate", "~/done/weights.safetensors", "--json"]) == 0
    capsys.readouterr()
    assert main(["report", "~/done", "~/mine", "--out=~/both.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(tmp_path / "both.html")
    assert str(tmp_path / "x.jsonl") in refused(capsys, 1, "reproduce", "table1", "--records=~/x.jsonl")
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("number", sorted({*ENDING_SIGNALS} - {signal.SIGINT}))
def test_a_signal_interrupts_a_command(number: signal.Signals) -> None:
    with signals_interrupt():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        # Whatever was being imported may have swallowed the first one.
        with pytest.raises(KeyboardInterrupt):
            claim_process()
    assert signal.getsignal(number) == signal.SIG_DFL
    claim_process()


def test_an_interruption_that_a_library_hides_is_one_still() -> None:
    with pytest.raises(KeyboardInterrupt), signals_interrupt():  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error
    with pytest.raises(RuntimeError), signals_interrupt():
        raise RuntimeError("an error of its own")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_early_signal_is_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    """While the data are loaded: before a run has its folder, and when one goes on."""

    def load(*_arguments: object, **_options: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("resunit.training.data_of_run.load", load)
    refused(capsys, 1, *TRAIN, *SHORT, "--out", str(tmp_path / "new"))
    recipe = with_changes(
        named_recipe("paper"), {"model": "preresnet20", "data": "cifar10-sample", "steps": 1}
    )
    folder = create_run_folder(tmp_path / "begun", recipe.to_json())
    assert f"resunit train --resume {folder.path}" in refused(
        capsys, 4, "train", "--resume", str(folder.path)
    )
    assert app.suppress_keyboard_interrupt is False


CTRL_C_AFTER = """
import os, signal, sys, threading
from resunit.__main__ import main

seconds, begun = float(sys.argv.pop(1)), []

def interrupt_later(event, arguments):  # Before the command's first import, Python itself has hardly begun.
    if event == "import" and arguments[0] == "resunit.cli" and not begun:
        begun.append(event)
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()

sys.addaudithook(interrupt_later)
sys.exit(main())
"""


@pytest.mark.full
def test_ctrl_c_at_any_moment_of_the_first_second_is_one_line(tmp_path: Path) -> None:
    for attempt in range(6):
        command = [
            sys.executable,
            "-c",
            CTRL_C_AFTER,
            str(0.15 * attempt),
            *TRAIN,
            "--out",
            str(tmp_path / str(attempt)),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode in (1, 4)
        assert len(without_signs_of_life(errors)) == 1, errors
        assert "Traceback" not in errors
