from pathlib import Path

import pytest

from resunit.reproduction.evidence import records


@pytest.fixture(autouse=True)
def nothing_ships(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the records that ship with the package out of the tests, because they grow; return their folder."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr(records, "SHIPPED", folder)
    return folder
