"""In transformers the outputs of attention and MLP are found as F: with x they sum to the next stream."""

from typing import Any

import pytest
import torch
from torch import Tensor

from resunit.propagation import measure
from tests.propagation.networks import NETWORKS, padded
from tests.propagation.toy import known

# For each network: the module where the stream begins, the path of a block, the modules of a block whose
# output is F, and the functions after the additions.
BRANCHES = {
    "GPT-2": ("transformer.h.0", "transformer.h.{}", ["attn", "mlp"], ()),
    "BERT": (
        "encoder.layer.0", "encoder.layer.{}", ["attention.output.dense", "output.dense"], ("layer_norm",),
    ),
    "Llama": ("model.layers.0", "model.layers.{}", ["self_attn", "mlp"], ()),
    "Gemma 2": (
        "model.layers.0", "model.layers.{}", ["post_attention_layernorm", "post_feedforward_layernorm"], (),
    ),
    "OLMo 2": (
        "model.layers.0", "model.layers.{}", ["post_attention_layernorm", "post_feedforward_layernorm"], (),
    ),
    # Its attention and MLP return the sum; F is the output of the last linear layer of each.
    "BLOOM": ("transformer.h.0", "transformer.h.{}", ["self_attention.dense", "mlp.dense_4h_to_h"], ()),
}  # fmt: skip


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "padded"])
@pytest.mark.parametrize("name", BRANCHES)
def test_attention_and_mlp_sum_to_the_next_stream(name: str, whole: bool) -> None:
    torch.manual_seed(0)
    model, inputs = next(network.build() for network in NETWORKS if network.name == name)
    inputs = inputs if whole else padded(inputs)
    model.eval()
    begin, block, branches, f = BRANCHES[name]
    paths = [f"{block.format(layer)}.{branch}" for layer in range(3) for branch in branches]
    streams: list[Tensor] = []
    outputs: dict[str, Tensor] = {}

    def enters(_module: Any, args: Any) -> None:
        streams.append(args[0].detach())

    def gives(path: str) -> Any:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            outputs[path] = (output[0] if isinstance(output, tuple) else output).detach()

        return hook

    handles = [model.get_submodule(begin).register_forward_pre_hook(enters)]
    handles += [model.get_submodule(path).register_forward_hook(gives(path)) for path in paths]
    model(**inputs)
    for handle in handles:
        handle.remove()

    junctions = measure(model, inputs).junctions
    assert len(junctions) == 6
    x = streams[0]
    for path, junction in zip(paths, junctions, strict=True):
        branch = outputs[path]
        y = x + branch
        assert junction.effective_lambda == 1
        assert junction.branch_share == pytest.approx(
            (branch.norm() / (branch.norm() + x.norm())).item(), rel=1e-4
        )
        assert junction.stream_rms == pytest.approx(y.square().mean().sqrt().item(), rel=1e-4)
        assert junction.f == f
        if f:
            norm = model.get_submodule(path.rsplit(".", 1)[0] + ".LayerNorm")
            x = norm(y).detach()
        else:
            assert known(junction.closure_error) < 1e-5
            x = y
