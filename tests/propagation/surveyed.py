"""More networks of other libraries, and how many junctions their configurations say they have."""

from typing import Any

from tests.propagation.networks import GROUPED, SMALL, TOKENS, Network, timm, torchvision
from tests.propagation.networks import transformers as of_transformers


def total(blocks: int, additions: int = 1, more: int = 0) -> dict[str, int]:
    """Return the number of junctions from the number of blocks, and of additions in each block."""
    return {"junctions": blocks * additions + more}


def language_model(name: str, model: str, options: dict[str, Any], additions: int = 2) -> Network:
    """Return a language model of 3 layers."""
    network = of_transformers(name, model, options)
    return Network(network.library, network.name, network.build, total(3, additions))


WIDE = 224
SURVEYED = [
    timm("cait_xxs24_224", total(24, 2, 2 * 2), side=WIDE),
    timm("convnextv2_atto", total(2 + 2 + 6 + 2)),
    timm("gmlp_s16_224", total(30), side=WIDE),
    timm("hiera_tiny_224", total(1 + 2 + 7 + 2, 2), side=WIDE),
    timm("sequencer2d_s", total(4 + 3 + 8 + 3, 2), side=WIDE),
    timm("repvgg_a0", total(2 + 4 + 14 + 1, 1, 1)),
    timm("twins_pcpvt_small", total(3 + 4 + 6 + 3, 2, 4), side=WIDE),  # 4 position encodings
    timm("efficientformer_l1", total(3 + 2 + 6 + 3, 1, 2), side=WIDE),  # 1 attention block at the end
    timm("davit_tiny", total(1 + 1 + 3 + 1, 8), side=WIDE),
    timm("pit_ti_224", total(2 + 6 + 4, 2), side=WIDE),
    timm("poolformer_s12", total(12, 2)),
    timm("levit_128s", total(2 + 3 + 4, 2, 2), side=WIDE),
    timm("mvitv2_tiny", total(1 + 2 + 5 + 2, 3), side=WIDE),  # pooled queries are added in the attention
    timm("regnety_002", total(1 + 1 + 4 + 7)),
    timm("nfnet_l0", total(1 + 2 + 6 + 3)),
    timm("tnt_s_patch16_224", total(12, 2 * 2), side=WIDE),  # the sum of both streams is no junction
    timm("lambda_resnet26t", total(8)),
    timm("botnet26t_256", total(8), side=256),
    timm("skresnet18", total(8)),
    timm("visformer_tiny", total(7, 1, 2 * (4 + 4)), side=WIDE),
    timm("xcit_nano_12_p16_224", total(12, 3, 2 * 2), side=WIDE),
    timm("resnet26", total(8)),
    timm("seresnext26d_32x4d", total(8)),
    timm("ecaresnet26t", total(8)),
    timm("resnetv2_50x1_bit", total(16)),
    timm("convmixer_768_32", total(32)),
    timm("deit_tiny_patch16_224", total(12, 2), side=WIDE),
    timm("vit_tiny_r_s16_p8_224", total(12, 2), side=WIDE),
    # Bottle2neck.forward adds `sp + spx[i]` for the second and third quarter of the channels, in all blocks but the
    # first of a stage (`is_first`): a part of x is kept, and a function of another part is added, as in the
    # couplings of reversible networks. The authors call these sums residual-like connections.
    timm("res2net50_26w_4s", total(3 + 4 + 6 + 3, 1, 2 * (2 + 3 + 5 + 2))),
    timm("hrnet_w18_small", total(1 + 2 * 2 + 3 * 2 + 4 * 2, 1, 4)),  # 4 blocks in the head
    timm("dla34", total(2 + 2 * 2 + 2 * 2 + 2)),
    timm("ghostnet_100", total(1 + 2 + 2 + 6 + 5)),
    timm("gcresnext50ts", total(3 + 4 + 6 + 3)),  # the global context is a part of the branch that adds it
    timm("gcresnet33ts", total(2 + 3 + 3 + 2)),
    timm("volo_d1_224", total(4 + 4 + 8 + 2, 2, 2 * 2), side=WIDE),  # 2 class blocks at the end
    timm(
        "crossvit_9_240", total(3 * (1 + 3), 2, 3 * 2), side=240
    ),  # 2 cross attentions behind every 4 blocks
    torchvision("regnet_y_400mf", total(1 + 3 + 6 + 6)),
    torchvision("convnext_tiny", total(3 + 3 + 9 + 3)),
    torchvision("vit_b_32", total(12, 2), side=WIDE),
    language_model(
        "Mamba",
        "MambaForCausalLM",
        {"hidden_size": 32, "num_hidden_layers": 3, "vocab_size": 50, "state_size": 4},
    ),  # the skip D u of the scan, and the addition of the block
    language_model(
        "RWKV",
        "RwkvForCausalLM",
        {
            "hidden_size": 32,
            "attention_hidden_size": 32,
            "num_hidden_layers": 3,
            "vocab_size": 50,
            "context_length": 32,
        },
    ),
    language_model(
        "RecurrentGemma", "RecurrentGemmaForCausalLM", GROUPED | {"attention_window_size": 8, "lru_width": 32}
    ),
    language_model(
        "DeBERTa v2", "DebertaV2Model", SMALL | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
    ),
    language_model(
        "GPT-J (parallel branches)",
        "GPTJForCausalLM",
        {"n_embd": 32, "n_layer": 3, "n_head": 4, "rotary_dim": 4, "n_positions": 32} | TOKENS,
        1,
    ),
    language_model("Mixtral", "MixtralForCausalLM", GROUPED | {"num_local_experts": 4}),
    language_model(
        "Qwen 2 MoE",
        "Qwen2MoeForCausalLM",
        GROUPED | {"num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16},
    ),
    language_model("ALBERT", "AlbertModel", SMALL | {"embedding_size": 16}),
    language_model("RoBERTa", "RobertaModel", SMALL),
    language_model("ELECTRA", "ElectraModel", SMALL | {"embedding_size": 16}),
    language_model("Mistral", "MistralForCausalLM", GROUPED),
    language_model("Qwen 2", "Qwen2ForCausalLM", GROUPED),
    language_model("Gemma", "GemmaForCausalLM", GROUPED | {"head_dim": 8}),
    language_model("Phi (parallel branches)", "PhiForCausalLM", SMALL, 1),
    language_model("StableLM", "StableLmForCausalLM", GROUPED),
    language_model(
        "OPT",
        "OPTForCausalLM",
        {
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "word_embed_proj_dim": 32,
        }
        | TOKENS,
    ),
]
