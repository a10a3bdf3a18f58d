"""Batch norm and its activation: the compiled kernels against formulas and torch, and life without them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import BaseTorchFunctionMode

from resunit import create_model
from resunit.ops.batch_norm_act import LayerSequence
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.cpu.batch_norm import can_compute
from resunit.ops.cpu.library import load_library
from resunit.ops.cpu.watched import is_watched

ACTIVATIONS = {"identity": lambda z: z, "relu": lambda z: z.clamp(min=0), "gelu": functional.gelu}
SHAPES = [
    (6, 16, 8, 8),
    (3, 24, 7, 7),
    (5, 48, 9, 5),
    (2, 10, 3, 3),
    (2, 100, 5, 5),
    (4, 64, 1, 1),
    (2, 1, 40, 40),
]


def formula(x: Tensor, gamma: Tensor, beta: Tensor, activation: str) -> Tensor:
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    z = (x - mean) / (variance + 1e-5).sqrt() * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)
    return ACTIVATIONS[activation](z)


def channels_last(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return (3 + 2 * torch.randn(shape)).to(dtype).to(memory_format=torch.channels_last)


MODULES: dict[str, list[nn.Module]] = {"identity": [], "relu": [nn.ReLU()], "gelu": [nn.GELU()]}


class NormAct(LayerSequence):
    """A batch norm and the activation after it."""

    def __init__(self, channels: int, activation: str = "identity"):
        super().__init__(nn.BatchNorm2d(channels), *MODULES[activation])

    @property
    def norm(self) -> nn.BatchNorm2d:
        norm = self[0]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm


def made(channels: int, activation: str) -> NormAct:
    layers = NormAct(channels, activation)
    nn.init.uniform_(layers.norm.weight, 0.5, 1.5)
    nn.init.uniform_(layers.norm.bias, -1, 1)
    return layers


def distance(a: Tensor, b: Tensor) -> float:
    return ((a.double() - b).norm() / b.norm()).item()


def gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def test_there_is_a_compiler_here() -> None:
    assert load_library() is not None


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.bfloat16, 4e-3)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_the_formulas(
    shape: tuple[int, ...], activation: str, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    x, norm, dy = channels_last(shape, dtype), made(shape[1], activation), channels_last(shape, dtype)
    assert can_compute(x, norm.norm)
    leaves = (x, norm.norm.weight, norm.norm.bias)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    y = norm(x.requires_grad_())
    y.backward(dy)
    expected = formula(exact[0], exact[1], exact[2], activation)
    expected.backward(dy.double())
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert distance(y, expected) < tolerance
    for found, exactly in zip(leaves, exact, strict=True):
        assert distance(gradient(found), gradient(exactly)) < tolerance


def test_running_statistics_and_evaluation_are_those_of_torch() -> None:
    torch.manual_seed(0)
    norm, torchs = made(24, "relu"), nn.BatchNorm2d(24)
    torchs.load_state_dict(norm.norm.state_dict())
    for _ in range(3):
        x = channels_last((4, 24, 6, 6))
        torch.testing.assert_close(norm(x), functional.relu(torchs(x)))
    assert norm.norm.num_batches_tracked == 3
    for name, buffer in torchs.named_buffers():
        torch.testing.assert_close(norm.norm.get_buffer(name), buffer)
    norm.eval()
    torchs.eval()
    x = channels_last((4, 24, 6, 6))
    expected = functional.relu(torchs(x))
    torch.testing.assert_close(norm(x), expected)
    with torch.inference_mode():
        torch.testing.assert_close(norm(x), expected)


def test_a_mean_far_from_zero_does_not_cancel() -> None:
    torch.manual_seed(0)
    x = 1000 + 0.1 * torch.randn(8, 16, 16, 16).to(memory_format=torch.channels_last)
    norm = NormAct(16)
    expected = formula(x.double(), norm.norm.weight.double(), norm.norm.bias.double(), "identity")
    assert distance(norm(x), expected) < 1e-3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_stays_visible(activation: str, bad: float) -> None:
    x = channels_last((2, 16, 4, 4))
    x[0, 3, 0, 0] = bad
    y = NormAct(16, activation)(x)
    assert y[:, 3].isnan().all()
    assert y[:, :3].isfinite().all()


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    x, dy = channels_last((16, 48, 23, 23), torch.bfloat16), channels_last((16, 48, 23, 23), torch.bfloat16)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        norm = NormAct(48, "gelu")
        leaf = x.clone().requires_grad_()
        y = norm(leaf)
        y.backward(dy)
        results.append([y, leaf.grad, norm.norm.weight.grad, norm.norm.bias.grad, norm.norm.running_var])
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_gradients_have_gradients() -> None:
    torch.manual_seed(0)
    norm, x = made(16, "gelu"), channels_last((4, 16, 3, 3))

    def penalty(output: Tensor, leaf: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(output.square().sum(), leaf, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), leaf)[0]

    ours = penalty(norm(leaf := x.clone().requires_grad_()), leaf)
    exact = x.double().requires_grad_()
    theirs = penalty(formula(exact, norm.norm.weight.double(), norm.norm.bias.double(), "gelu"), exact)
    assert distance(ours, theirs) < 1e-4


def test_what_needs_no_gradient_gets_none() -> None:
    norm = NormAct(16, "relu")
    norm.norm.weight.requires_grad_(False)
    norm(channels_last((2, 16, 4, 4))).sum().backward()
    assert norm.norm.weight.grad is None
    assert norm.norm.bias.grad is not None


@pytest.mark.parametrize("name", ["preresnet20", "resnet164"])
def test_a_networks_gradients_are_as_exact_as_with_torchs_layers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients() -> Tensor:
        model.zero_grad()
        functional.cross_entropy(model(images), torch.arange(8)).backward()
        return torch.cat([gradient(p).flatten() for p in model.parameters()]).clone()

    torch.manual_seed(0)
    model = create_model(name).to(memory_format=torch.channels_last)
    images = channels_last((8, 3, 16, 16))
    ours = gradients()
    monkeypatch.setattr("resunit.ops.cpu.batch_norm.load_library", lambda: None)
    theirs = gradients()
    model, images = model.double(), images.double()
    exact = gradients()
    assert not torch.equal(ours, theirs)
    assert distance(ours, exact) < 2 * distance(theirs, exact)


def test_kernels_step_aside_where_torch_functions_are_watched() -> None:
    norm, x = made(16, "relu"), channels_last((2, 16, 4, 4)).requires_grad_()
    assert "BatchNormFunction" in norm(x).grad_fn.name()
    with BaseTorchFunctionMode():
        assert is_watched()
        assert "Relu" in norm(x).grad_fn.name()
    with torch.device("cpu"):  # a mode as well, which looks at nothing
        assert not is_watched()


def test_an_activation_is_a_module_whose_hooks_fire() -> None:
    torch.manual_seed(0)
    layers, x = made(16, "relu"), channels_last((2, 16, 4, 4))
    expected, seen = layers(x), []
    handle = layers[1].register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    torch.testing.assert_close(layers(x), expected)
    assert [tuple(output.shape) for _, output in seen] == [(2, 16, 4, 4)]
    torch.testing.assert_close(seen[0][0].clamp(min=0), expected)
    handle.remove()
    layers(x)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "replacement", [nn.Tanh(), nn.Identity(), nn.GELU(approximate="tanh"), nn.LeakyReLU(0.5)]
)
def test_another_activation_in_its_place_is_the_one_that_computes(replacement: nn.Module) -> None:
    torch.manual_seed(0)
    layers, x = made(16, "relu"), channels_last((2, 16, 4, 4))
    normed = formula(x.double(), layers.norm.weight.double(), layers.norm.bias.double(), "identity")
    layers[1] = replacement
    torch.testing.assert_close(layers(x), replacement(normed).float(), rtol=1e-4, atol=1e-5)


def test_another_norm_in_its_place_is_the_one_that_computes() -> None:
    layers, x = made(16, "relu"), channels_last((2, 16, 4, 4))
    layers[0] = nn.GroupNorm(4, 16)
    torch.testing.assert_close(layers(x), functional.relu(functional.group_norm(x, 4)))


def test_function_transforms_see_torchs_own_functions() -> None:
    torch.manual_seed(0)
    layers, x = made(16, "gelu").eval(), channels_last((2, 16, 4, 4))
    several = torch.func.vmap(layers)(torch.stack([x, 2 * x]))
    torch.testing.assert_close(several, torch.stack([layers(x), layers(2 * x)]), rtol=1e-4, atol=1e-5)
    value, slope = torch.func.jvp(layers, (x,), (torch.ones_like(x),))[:2]
    torch.testing.assert_close(value, layers(x), rtol=1e-4, atol=1e-5)
    step = 1e-3
    torch.testing.assert_close(
        slope, (layers(x + step) - layers(x - step)) / (2 * step), rtol=1e-2, atol=1e-3
    )


SCRIPT = """
import torch
from torch import nn
from resunit.ops.batch_norm_act import LayerSequence
x = torch.arange(512.0).view(2, 16, 4, 4).to(memory_format=torch.channels_last)
for _ in range(2):
    print(LayerSequence(nn.BatchNorm2d(16), nn.ReLU())(x).sum().item())
"""


def run_without_compiler(cache: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CXX": "no-such-compiler", "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_without_a_compiler_torch_does_it_and_it_is_said_once(tmp_path: Path) -> None:
    done = run_without_compiler(tmp_path)
    assert done.stderr.count("KernelWarning") == 1
    assert "no-such-compiler" in done.stderr
    norm = nn.BatchNorm2d(16)
    x = torch.arange(512.0).view(2, 16, 4, 4)
    for line in done.stdout.split():
        assert float(line) == pytest.approx(functional.relu(norm(x)).sum().item(), rel=1e-5)


def test_a_cache_that_cannot_be_written_is_said_in_the_place_of_a_compiler(tmp_path: Path) -> None:
    (tmp_path / "resunit").mkdir()
    (tmp_path / "resunit" / "kernels").touch()
    told = run_without_compiler(tmp_path).stderr
    assert f"a {tmp_path / 'resunit'} that can be written, or another $XDG_CACHE_HOME, mends it" in told


def test_what_was_compiled_once_needs_no_compiler_again() -> None:
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    assert load_library() is not None
    assert run_without_compiler(Path(cache)).stderr == ""


def test_freed_memory_is_taken_again() -> None:
    keep_freed_memory(torch.device("cpu"))
    first = torch.full((1 << 20,), 1.0)
    address = first.data_ptr()
    del first
    second = torch.full((1 << 20,), 2.0)
    other = torch.full((1 << 20,), 3.0)
    assert second.data_ptr() == address != other.data_ptr()
    assert second.sum() == 2 << 20
    small = [torch.full((100,), float(i)) for i in range(100)]
    assert [int(tensor[-1]) for tensor in small] == list(range(100))


def test_tensors_from_before_and_other_threads_are_freed_where_they_belong() -> None:
    before = torch.ones(1 << 20)
    keep_freed_memory(torch.device("cpu"))
    del before
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda i: torch.full((300_000 + 1000 * i,), 1.0).sum().item(), range(200)))
    assert sums == [300_000 + 1000 * i for i in range(200)]


DEEP = """
import threading, time, psutil, torch
from torch.nn import functional
from resunit import create_model
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.activation_checkpointing import enable_activation_checkpointing
keep_freed_memory(torch.device("cpu"))
model = create_model("preresnet1001").to(memory_format=torch.channels_last)
enable_activation_checkpointing(model.stages)
images = torch.randn(16, 3, 32, 32).to(memory_format=torch.channels_last)
process, peak, done = psutil.Process(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.02)
start = process.memory_info().rss
threading.Thread(target=watch).start()
with torch.autocast("cpu", torch.bfloat16):
    functional.cross_entropy(model(images), torch.arange(16) % 10).backward()
done = True
print((peak - start) / 2**20)
"""


@pytest.mark.full
def test_a_thousand_layers_train_in_the_memory_foretold() -> None:
    """16 images: 104 MiB of maps, 39 of gradients, 20 of bf16 weights, and what torch itself needs."""
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 600
