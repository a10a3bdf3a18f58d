"""Small networks of other libraries, with random weights, and the junctions that they have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Kinds = dict[str, int]


@dataclass(frozen=True)
class Network:
    """A network of another library; `build` returns it with inputs, and `kinds` counts its junctions."""

    library: str
    name: str
    build: Callable[[], tuple[nn.Module, Any]]
    kinds: Kinds
    slow: bool = False


def images(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side)


def torchvision(name: str, kinds: Kinds, side: int = 64, slow: bool = False, **options: Any) -> Network:
    def build() -> tuple[nn.Module, Any]:
        import torchvision.models

        return getattr(torchvision.models, name)(weights=None, **options), images(side)

    return Network("torchvision", name, build, kinds, slow)


def timm(name: str, kinds: Kinds, side: int = 64, slow: bool = False, **options: Any) -> Network:
    def build() -> tuple[nn.Module, Any]:
        import timm

        return timm.create_model(name, **options), images(side)

    return Network("timm", name, build, kinds, slow)


TOKENS = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 32,
} | TOKENS  # fmt: skip
GROUPED = SMALL | {"num_key_value_heads": 2}


def transformers(name: str, model: str, options: dict[str, Any], count: int = 6) -> Network:
    def build() -> tuple[nn.Module, Any]:
        import transformers as library

        family = model.removesuffix("LMHeadModel").removesuffix("ForCausalLM").removesuffix("Model")
        family = family.removesuffix("ForConditionalGeneration")
        config = getattr(library, f"{family}Config")(**options)
        inputs = {"input_ids": torch.randint(3, 50, (2, 7))}
        if config.is_encoder_decoder:
            inputs["decoder_input_ids"] = inputs["input_ids"]
        return getattr(library, model)(config), inputs

    return Network("transformers", name, build, {"identity": count})


def padded(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the same batch with a shorter second sentence."""
    mask = torch.ones_like(inputs["input_ids"])
    mask[1, 4:] = 0
    return inputs | {"attention_mask": mask}


def encoder(norm_first: bool, training: bool) -> Network:
    def build() -> tuple[nn.Module, Any]:
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first)
        model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).train(training)
        return model, torch.randn(2, 5, 32)

    norm = "pre" if norm_first else "post"
    mode = "training" if training else "evaluation"
    return Network("torch", f"TransformerEncoder, {norm}-norm, {mode}", build, {"identity": 6})


NETWORKS = [
    torchvision("resnet18", {"identity": 5, "projection": 3}),
    torchvision("resnet34", {"identity": 13, "projection": 3}, slow=True),
    torchvision("resnet50", {"identity": 12, "projection": 4}),
    torchvision("resnet101", {"identity": 29, "projection": 4}, slow=True),
    torchvision("resnet152", {"identity": 46, "projection": 4}, slow=True),
    torchvision("wide_resnet50_2", {"identity": 12, "projection": 4}, slow=True),
    torchvision("resnext50_32x4d", {"identity": 12, "projection": 4}, slow=True),
    torchvision("vgg11_bn", {}, side=32, init_weights=False),
    torchvision("densenet121", {}),
    torchvision("mobilenet_v2", {"identity": 10}, slow=True),
    torchvision("swin_t", {"identity": 24}, slow=True),
    timm("resnetv2_50", {"identity": 12, "projection": 4}),
    timm("vit_tiny_patch16_224", {"identity": 24}, side=32, img_size=32),
    timm("mobilenetv2_100", {"identity": 10}),
    timm("convnext_atto", {"identity": 12}),
    timm("efficientnet_b0", {"identity": 9}),
    timm("regnetx_002", {"identity": 9, "projection": 4}),
    timm("seresnet50", {"identity": 12, "projection": 4}, slow=True),
    timm("poolformerv2_s12", {"identity": 8, "scale": 16}),
    timm("mixer_s32_224", {"identity": 16}, side=224, slow=True),
    timm("swin_tiny_patch4_window7_224", {"identity": 24}, side=224, slow=True),
    timm("caformer_s18", {"identity": 12, "scale": 24}, slow=True),
    timm("resmlp_12_224", {"identity": 24}, side=224, slow=True),
    timm("beit_base_patch16_224", {"identity": 24}, side=224, slow=True),
    timm("coatnet_0_rw_224", {"identity": 19, "projection": 4}, side=224, slow=True),
    transformers(
        "GPT-2", "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 32} | TOKENS
    ),
    transformers("BERT", "BertModel", SMALL),
    transformers("BLOOM", "BloomForCausalLM", {"hidden_size": 32, "n_layer": 3, "n_head": 4} | TOKENS),
    transformers("Gemma 2", "Gemma2ForCausalLM", GROUPED | {"head_dim": 8}),
    transformers("Llama", "LlamaForCausalLM", GROUPED),
    transformers("OLMo 2", "Olmo2ForCausalLM", GROUPED),
    transformers("GPT-NeoX (parallel branches)", "GPTNeoXForCausalLM", SMALL, count=3),
    transformers(
        "T5 (cross attention)", "T5ForConditionalGeneration",
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4} | TOKENS, count=15,
    ),
    *(encoder(norm_first, training) for norm_first in (True, False) for training in (True, False)),
]  # fmt: skip

# The junctions of resunit.create_model("resnet20", design=...): of its 9 units 2 change the size, by shortcut
# option A.
DESIGN_KINDS: dict[str, Kinds] = {
    "original": {"identity": 7, "operations": 2},
    "plain": {"scale": 7, "operations": 2},
    "constant-scaling": {"scale": 7, "operations": 2},
    "exclusive-gating": {"gate": 9},
    "shortcut-only-gating": {"gate": 9},
    "conv-shortcut": {"projection": 9},
    "dropout-shortcut": {"operations": 9},
    "bn-after-addition": {"identity": 7, "operations": 2},
    "relu-before-addition": {"identity": 7, "operations": 2},
    "relu-only-preactivation": {"identity": 7, "operations": 2},
    "full-preactivation": {"identity": 7, "operations": 2},
    "rezero": {"identity": 7, "operations": 2},
    "skipinit": {"identity": 7, "operations": 2},
    "layer-scale": {"identity": 7, "operations": 2},
    "stochastic-depth": {"identity": 7, "operations": 2},
}
