"""The page of a run that the command line trained."""

import re
from pathlib import Path

from resunit.cli import main
from resunit.runs.folder import RunFolder

SMALL = ["--recipe", "paper", "--model", "preresnet20", "--data", "cifar10-sample", "--image-size", "8",
         "--steps", "1", "--batch-size", "16", "--ghost-batch-size", "16", "--evaluation-images", "16"]  # fmt: skip


def test_the_command_is_shown_as_it_was_typed_and_what_it_changed_stands_first(tmp_path: Path) -> None:
    out = tmp_path / "my run"
    assert main(["train", *SMALL, "--out", str(out)]) == 0
    environment = RunFolder(out).read_environment()
    assert environment is not None
    assert environment.command == f"resunit train {' '.join(SMALL)} --out '{out}'"
    page = (out / "report.html").read_text().split("<h2>Findings</h2>")[0]
    changed = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', page)
    assert ("steps", "1", "64000") in changed
    assert ("model", "preresnet20", "preresnet110") in changed
    assert {name for name, _, _ in changed} == {
        "model", "steps", "data", "image size", "batch size", "ghost batch size", "evaluation images",
    }  # fmt: skip
    again = (out / "report.html").read_bytes()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").read_bytes() == again
