"""Weight files of networks that other tools wrap: written under the network's own names, and read with prefixes."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from resunit import create_model
from resunit.errors import FileFormatError
from resunit.io.tensors import read_tensors, write_tensors
from resunit.models.network import ResidualNetwork
from resunit.models.registry import network_spec
from resunit.models.weights import KIND, read_weights, write_weights

CLASSES = tuple("0123456789")


def write(path: Path, model: nn.Module) -> None:
    spec = network_spec("preresnet20")
    write_weights(path, model, spec, classes=CLASSES, preprocessing={}, result={})


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def distributed_model(model: nn.Module, folder: Path) -> nn.Module:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=0, world_size=1)
    try:
        return DistributedDataParallel(model)
    finally:
        distributed.destroy_process_group()


def compiled(model: nn.Module) -> nn.Module:
    wrapped = torch.compile(model)
    assert isinstance(wrapped, nn.Module)
    return wrapped


def compiled_parts(model: nn.Module) -> nn.Module:
    assert isinstance(model, ResidualNetwork)
    model.stages[1] = compiled(model.stages[1])
    model.set_submodule("classifier", compiled(model.classifier))
    return model


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compile": compiled,
    "DataParallel": nn.DataParallel,
    "AveragedModel": AveragedModel,
    "DataParallel of compile": lambda model: nn.DataParallel(compiled(model)),
    "compile of DataParallel of compile": lambda model: compiled(nn.DataParallel(compiled(model))),
    "DataParallel of DataParallel": lambda model: nn.DataParallel(nn.DataParallel(model)),
    "compiled parts": compiled_parts,
    "DataParallel of compiled parts": lambda model: nn.DataParallel(compiled_parts(model)),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_network_is_saved_under_its_own_names(wrapper: str, tmp_path: Path) -> None:
    model = create_model("preresnet20")
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = tmp_path / "weights.safetensors"
    write(path, WRAPPERS[wrapper](model))
    assert same(read_tensors(path, KIND)[1], own)
    assert same(create_model(weights=path).state_dict(), own)


def test_a_distributed_network_is_saved_under_its_own_names(tmp_path: Path) -> None:
    model = create_model("preresnet20")
    path = tmp_path / "weights.safetensors"
    write(path, compiled(distributed_model(model, tmp_path)))
    assert same(create_model(weights=path).state_dict(), model.state_dict())


def with_names(path: Path, model: nn.Module, name: Callable[[str], str]) -> None:
    """Write a file like those of older versions, which have the names that a wrapper gave."""
    write(path, model)
    record, tensors = read_tensors(path, KIND)
    write_tensors(path, KIND, record, {name(key): tensor for key, tensor in tensors.items()})


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.", "module.module._orig_mod."]
)
def test_a_file_with_a_wrappers_prefixes_is_read(prefix: str, tmp_path: Path) -> None:
    model, path = create_model("preresnet20"), tmp_path / "weights.safetensors"
    with_names(path, model, lambda name: prefix + name)
    assert same(create_model(weights=path).state_dict(), model.state_dict())


def test_a_file_with_a_compiled_part_is_read(tmp_path: Path) -> None:
    model, path = create_model("preresnet20"), tmp_path / "weights.safetensors"
    with_names(path, model, lambda name: name.replace("stages.1.", "stages.1._orig_mod."))
    assert same(create_model(weights=path).state_dict(), model.state_dict())


def test_another_prefix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with_names(path, create_model("preresnet20"), lambda name: f"student.{name}")
    with pytest.raises(FileFormatError, match=r"weights\.safetensors"):
        create_model(weights=path)


@pytest.mark.parametrize(("name", "number"), [("classifier.bias", math.nan), ("stem.conv1.weight", math.inf)])
def test_numbers_that_are_not_finite_are_refused_by_file_and_tensor(
    name: str, number: float, tmp_path: Path
) -> None:
    model = create_model("preresnet20")
    model.state_dict()[name].view(-1)[3] = number
    write(tmp_path / "weights.safetensors", model)
    with pytest.raises(FileFormatError, match=rf"weights\.safetensors: {re.escape(name)} "):
        read_weights(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("depths", [[99_999, 99_999, 99_999], [10**9, 1, 1], [-1, 3, 3], ["3", 3, 3]])
def test_a_network_of_absurd_depth_is_refused_before_it_is_built(depths: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write(path, create_model("preresnet20"))
    record, tensors = read_tensors(path, KIND)
    record["network"]["depths"] = depths
    write_tensors(path, KIND, record, tensors)
    with pytest.raises(FileFormatError, match=r"weights\.safetensors"):
        create_model(weights=path)
