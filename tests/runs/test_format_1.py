"""Files that resunit wrote before records had a format number load for ever (tests/data/format1)."""

import shutil
from pathlib import Path

import pytest
import torch

import resunit
from resunit.models.registry import NETWORKS
from resunit.models.weights import read_weights
from resunit.runs.read import read_run
from resunit.runs.schema import ViewError

FORMAT_1 = Path(__file__).parents[1] / "data" / "format1"


def test_a_finished_run_is_read_as_typed_records() -> None:
    run = read_run(FORMAT_1 / "done")
    assert (run.result.status, run.result.split, run.result.test_error) == ("done", "test", 87.4)
    assert [view.view for view in run.result.views] == ["mirror", "tta"]
    assert all(isinstance(view, ViewError) for view in run.result.views)
    assert [line.step for line in run.log] == [2, 4, 6]
    assert {(line.split, line.images) for line in run.log} == {("test", 500)}
    assert [line.step for line in run.propagation] == [0, 3]
    assert len(run.propagation[0].measures["stream_rms"]) == len(run.propagation[0].junctions) == 3
    assert run.environment is not None
    assert run.environment.world_size == 1
    assert run.evaluation is not None
    assert sum(map(sum, run.evaluation.confusion)) == 500
    assert run.recipe["ghost_batch_size"] == 16
    assert run.recipe["resize_scales"] == [0.5]
    assert run.recipe["model_options"] == {"shortcut_option": "B"}


def test_its_weights_give_the_network_that_was_trained() -> None:
    path = FORMAT_1 / "done" / "weights.safetensors"
    file = read_weights(path)
    assert (file.spec.shortcut_option, file.spec.design) == ("B", "full-preactivation")
    network = resunit.create_model(weights=path)
    for name, tensor in file.tensors.items():
        current = name.replace(".before.", ".shared_preact.").replace("closing.", "final_activation.")
        assert torch.equal(network.state_dict()[current], tensor)
    assert any(".before." in name for name in file.tensors)


def test_a_stopped_run_goes_on_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read_weights(FORMAT_1 / "done" / "weights.safetensors").spec
    monkeypatch.setitem(NETWORKS, "tiny", spec)  # the network that the recipe names
    shutil.copytree(FORMAT_1 / "stopped", tmp_path / "run")
    result = resunit.resume(tmp_path / "run", quiet=True)
    assert (result.status, result.steps, result.design) == ("done", 6, "bn-after-addition")
    run = read_run(tmp_path / "run")
    assert [line.step for line in run.log] == [2, 4, 6]
