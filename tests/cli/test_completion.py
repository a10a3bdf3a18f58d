"""`resunit --install-completion`: what bash completes with the script that it writes."""

import json
import subprocess
from pathlib import Path

import pytest

from resunit.cli import main
from tests.cli.command_lines import refused

INSTALL = ("--install-completion", "--shell", "bash")


def completed(script: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word."""
    code = f'. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD={len(words)}; _resunit; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", code, "bash", script, "resunit", *words], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_bash_completes_commands_options_and_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main([*INSTALL]) == 0
    capsys.readouterr()
    assert main([*INSTALL, "--json"]) == 0
    script = Path(json.loads(capsys.readouterr().out)["script"])
    assert (tmp_path / ".bashrc").read_text().count(f'. "{script}"') == 1
    assert completed(script, "expl") == ["explore"]
    assert completed(script, "explore", "--lang") == ["--language"]
    assert completed(script, "explore", "--language", "k") == ["ko"]
    assert completed(script, "data", "fe") == ["fetch"]
    assert completed(script, "train", "--gate-b") == ["--gate-bias"]


def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    monkeypatch.setenv("HOME", str(home))
    assert str(home) in refused(capsys, 1, *INSTALL)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "bash" in refused(capsys, 2, "--install-completion", "--shell", "tcsh")
