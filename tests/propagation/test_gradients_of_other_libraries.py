"""Gradients at the entries of the blocks of other libraries' networks are those of plain autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resunit.propagation import measure
from tests.propagation.networks import NETWORKS, Network
from tests.propagation.surveyed import SURVEYED
from tests.propagation.toy import known

# The classes of the blocks whose first junction takes the block's input as its x.
BLOCKS = {
    "torchvision": {
        "resnet18": "BasicBlock", "resnet50": "Bottleneck", "wide_resnet50_2": "Bottleneck",
        "resnext50_32x4d": "Bottleneck", "mobilenet_v2": "InvertedResidual", "swin_t": "SwinTransformerBlock",
        "regnet_y_400mf": "ResBottleneckBlock", "convnext_tiny": "CNBlock", "vit_b_32": "EncoderBlock",
    },
    "timm": {
        "vit_tiny_patch16_224": "Block", "mobilenetv2_100": "InvertedResidual", "convnext_atto": "ConvNeXtBlock",
        "efficientnet_b0": "InvertedResidual", "regnetx_002": "Bottleneck", "mixer_s32_224": "MixerBlock",
        "deit_tiny_patch16_224": "Block", "resnet26": "Bottleneck", "skresnet18": "SelectiveKernelBasic",
        "ghostnet_100": "GhostBottleneck", "poolformer_s12": "MetaFormerBlock", "gmlp_s16_224": "SpatialGatingBlock",
    },
    "transformers": {
        "GPT-2": "GPT2Block", "BERT": "BertLayer", "BLOOM": "BloomBlock", "Llama": "LlamaDecoderLayer",
        "OLMo 2": "Olmo2DecoderLayer", "GPT-NeoX (parallel branches)": "GPTNeoXLayer",
        "Mistral": "MistralDecoderLayer", "Qwen 2": "Qwen2DecoderLayer", "Gemma": "GemmaDecoderLayer",
        "RoBERTa": "RobertaLayer", "OPT": "OPTDecoderLayer", "Phi (parallel branches)": "PhiDecoderLayer",
    },
}  # fmt: skip
KNOWN = {(network.library, network.name): network for network in [*NETWORKS, *SURVEYED]}
CHECKED = [(KNOWN[library, name], block) for library, of in BLOCKS.items() for name, block in of.items()]


def loss_of(output: Any, _: Any = None) -> Tensor:
    value = output if isinstance(output, Tensor) else output[0]
    return value.double().square().mean()


class Passed:
    """What entered each block of one pass, and what the last of them returned."""

    def __init__(self, model: nn.Module, block: str):
        self.entered: dict[str, Tensor] = {}
        self.returned: Tensor | None = None
        for name, module in model.named_modules():
            if type(module).__name__ == block:
                module.register_forward_pre_hook(self.at_entry(name), with_kwargs=True)
                module.register_forward_hook(self.at_end)

    def at_entry(self, name: str) -> Any:
        def keep(_: Any, args: Any, kwargs: Any) -> None:
            self.entered[name] = args[0] if args else kwargs["hidden_states"]

        return keep

    def at_end(self, _module: Any, _args: Any, output: Any) -> None:
        self.returned = output if isinstance(output, Tensor) else output[0]


def norms(model: nn.Module, inputs: Any, block: str) -> tuple[dict[str, float], float]:
    """Return the norm of the gradient where each block begins, and where the last one ends."""
    passed = Passed(model, block)
    output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
    assert passed.returned is not None
    values = [*passed.entered.values(), passed.returned]
    gradients = torch.autograd.grad(loss_of(output), values)
    *at_entries, at_end = [gradient.double().norm().item() for gradient in gradients]
    return dict(zip(passed.entered, at_entries, strict=True)), at_end


@pytest.mark.full
@pytest.mark.parametrize(("network", "block"), CHECKED, ids=lambda value: getattr(value, "name", ""))
def test_gradients_at_the_entries_of_blocks(network: Network, block: str) -> None:
    torch.manual_seed(0)
    model, inputs = network.build()
    model.eval()
    for weight in model.parameters():
        if weight.ndim >= 2 and not weight.any():  # A head of zeros lets no gradient through.
            nn.init.normal_(weight, std=0.02)
    result = measure(model, inputs, loss=loss_of)
    expected, at_end = norms(model, inputs, block)
    measured: dict[str, float] = {}
    for junction in result.junctions:
        for name in expected:
            if f"{junction.name}.".startswith(f"{name}.") or junction.name.startswith(f"{name}#"):
                measured.setdefault(name, known(junction.gradient_gain))
    assert len(measured) >= 3
    *_, last = measured
    for name, gain in measured.items():
        assert gain / measured[last] == pytest.approx(expected[name] / expected[last], rel=1e-3), name
    if not result.junctions[-1].f and [*expected][-1] == last:  # The last block returns the last sum.
        assert measured[last] == pytest.approx(expected[last] / at_end, rel=1e-3)
