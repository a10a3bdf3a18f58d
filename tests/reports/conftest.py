"""A run's folder as training leaves it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_records import records


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder; a keyword replaces one record, or changes fields of a flat one."""

    def write(**changes: Any) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        for name, record in records().items():
            change = changes.get(name, {})
            if name == "log":
                lines = changes.get("log", record)
                (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            elif change is not None:
                whole = change if name == "evaluation" and change else {**record, **change}
                (folder / f"{name}.json").write_text(json.dumps(whole))
        return folder

    return write
