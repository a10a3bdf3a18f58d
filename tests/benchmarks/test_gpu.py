"""The benchmark of a GPU: one line where there is none, and its targets are those of one card."""

from pathlib import Path

import pytest
import torch
from torch.optim import SGD

from benchmarks import gpu
from benchmarks.__main__ import app
from benchmarks.peers import build_peer_spec
from benchmarks.records import Details, Measurement, Settings
from benchmarks.targets import check_targets
from resunit.cli.app import FAILED, run


def test_without_a_gpu_it_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # also on a machine that has one
    assert run(app, ["gpu", "--out", str(tmp_path)]) == FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "resunit: there is no GPU here that torch can use, so nothing is measured"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("card", "target"), [("NVIDIA H100 80GB HBM3", 75_000), ("NVIDIA L4", None)])
def test_captured_steps_are_compared_with_all_others(card: str, target: float | None) -> None:
    def measured(entry: str, *seconds: float) -> Measurement:
        details = Details(precision="bf16", gpu=card)
        settings = Settings(batch_size=128, image_size=32)
        return Measurement("gpu", entry, seconds, 6400, "images", "preresnet20", settings, details)

    entries = [measured("resunit captured", 0.1, 0.08), measured("own loop best", 0.3, 0.32)]
    speed, ratio = check_targets("gpu", entries)
    assert (speed.found.least, speed.found.most) == (pytest.approx(64_000), pytest.approx(80_000))
    assert (speed.target, speed.unit) == (target, "images/s")
    assert card in speed.quantity
    assert (ratio.found.least, ratio.found.most) == (pytest.approx(3), pytest.approx(4))
    assert "own loop best" in ratio.quantity


@pytest.mark.parametrize("entry", ["ours", "own loop default", "own loop best", "pytorchcv default"])
def test_each_entry_trains_its_network(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU the same functions run, with fewer steps."""
    monkeypatch.setattr(gpu, "STEPS", 2)
    monkeypatch.setattr(gpu, "IMAGES", 8)
    spec, steps = build_peer_spec("preresnet20"), []
    step = SGD.step
    monkeypatch.setattr(SGD, "step", lambda *given: steps.append(step(*given)))
    if entry == "ours":
        work, details = gpu.prepare_our_steps(spec, "preresnet20", 2, 32, True, False, "cpu")
    else:
        library, _, configuration = entry.rpartition(" ")
        assert configuration in ("default", "best")
        work, details = gpu.prepare_loop(library, configuration, spec, "preresnet20", 2, 32, "cpu")
    work()
    work()
    assert len(steps) == 4
    assert details.parameters == 272_282
