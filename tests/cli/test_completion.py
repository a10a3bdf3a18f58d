"""`resunit --install-completion`: what bash completes with the script that it writes."""

import json
import subprocess
from pathlib import Path

import pytest

from resunit.cli import main
from tests.cli.command_lines import refused

INSTALL = ("--install-completion", "--shell", "bash")


def completed(script: Path, *lines: str) -> list[str]:
    """Return what bash offers for the last word of each line."""
    code = (
        '. "$1"; shift; for line; do COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); '
        '_resunit; echo "${COMPREPLY[@]}"; done'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", script, *lines], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_bash_completes_commands_options_and_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main([*INSTALL, "--json"]) == 0
    script = Path(json.loads(capsys.readouterr().out)["script"])
    assert (tmp_path / ".bashrc").read_text().count(f'. "{script}"') == 1
    offered = {
        "resunit expl": "explore",
        "resunit explore --lang": "--language",
        "resunit explore --language k": "ko",
        "resunit data fe": "fetch",
        "resunit train --gate-b": "--gate-bias",
    }
    assert completed(script, *offered) == list(offered.values())


@pytest.mark.full
def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    monkeypatch.setenv("HOME", str(home))
    assert str(home) in refused(capsys, 1, *INSTALL)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "bash" in refused(capsys, 2, "--install-completion", "--shell", "tcsh")
