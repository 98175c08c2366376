"""Logits of tiny models of every family, by the transformers library in float32.

    python -m venv venv && venv/bin/pip install -r tools/goldens/requirements.txt
    venv/bin/python tools/goldens/make_family_logits.py packages/core/test/goldens/families

Weights are not kept: value i of a tensor comes from its name and i by `weights` below, which
packages/core/test/support/named-weights.ts repeats. A case is NAME.json (config.json as the library
writes it, names and shapes of all tensors, token ids) and NAME.f32 (logits, [tokens, vocab]).
"""
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file

VOCAB = 32
TOKENS = 80
SIZES = dict(
    vocab_size=VOCAB,
    hidden_size=48,
    intermediate_size=72,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)


def weights(name: str, shape: list[int], centered_norms: bool) -> numpy.ndarray:
    seed = 0
    for character in name.encode():
        seed = (seed * 31 + character) & 0xFFFFFFFF
    i = numpy.arange(math.prod(shape), dtype=numpy.uint64)
    state = (i + seed) * 1664525 + 1013904223 & 0xFFFFFFFF
    for shift, factor in ((15, 0x2C1B3C6D), (13, 0x297A2D39)):
        state = ((state ^ (state >> shift)) * factor) & 0xFFFFFFFF
    u = (state ^ (state >> 15)).astype(numpy.float64) / 2**31 - 1
    if "norm" in name:
        values = 0.3 * u + (0 if centered_norms else 1)
    elif len(shape) == 1:
        values = 0.3 * u
    elif "embed" in name:
        values = u
    else:
        values = 2.5 / math.sqrt(shape[-1]) * u
    return values.reshape(shape).astype(numpy.float32)


def rope(**fields):
    return dict(rope_type="default", rope_theta=10000.0) | fields


LONG = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    short_factor=[1 + 0.1 * i for i in range(6)],
    long_factor=[1.5 + 0.5 * i for i in range(6)],
)
# family, then what differs from the library's defaults and SIZES; `old`: how files before version 5 write it.
CASES = {
    "llama-biases": ("llama", dict(attention_bias=True, mlp_bias=True, head_dim=20)),
    "llama-mqa": ("llama", dict(num_key_value_heads=1, tie_word_embeddings=True)),
    "mistral-window": ("mistral", dict(sliding_window=16, head_dim=12)),
    "qwen2-window": ("qwen2", dict(use_sliding_window=True, sliding_window=16, max_window_layers=2)),
    "qwen3": ("qwen3", dict(head_dim=16)),
    "gemma2": ("gemma2", dict(head_dim=24, sliding_window=16, query_pre_attn_scalar=17)),
    "gemma2-caps": (
        "gemma2",
        dict(head_dim=12, sliding_window=200, attn_logit_softcapping=2.0, final_logit_softcapping=5.0,
             num_key_value_heads=1),
    ),
    "gemma3": (
        "gemma3_text",
        dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=20,
             layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]),
        dict(layer_types=None, sliding_window_pattern=3, rope_parameters=None, rope_theta=1000000.0,
             rope_local_base_freq=10000.0),
    ),
    "gemma3-scaled": (
        "gemma3_text",
        dict(head_dim=16, sliding_window=24, num_hidden_layers=6, query_pre_attn_scalar=16,
             rope_parameters=dict(
                 sliding_attention=rope(rope_theta=500.0),
                 full_attention=rope(rope_type="linear", rope_theta=70000.0, factor=8.0))),
        dict(layer_types=None, sliding_window_pattern=6, rope_parameters=None, rope_theta=70000.0,
             rope_local_base_freq=500.0, rope_scaling=dict(rope_type="linear", factor=8.0)),
    ),
    "phi3": ("phi3", dict(sliding_window=20)),
    "phi3-short": (
        "phi3",
        dict(original_max_position_embeddings=TOKENS, rope_parameters=LONG),
        dict(rope_parameters=None, rope_theta=10000.0,
             rope_scaling=dict(type="longrope", short_factor=LONG["short_factor"], long_factor=LONG["long_factor"])),
    ),
    "phi3-long": (
        "phi3",
        dict(original_max_position_embeddings=TOKENS - 1, rope_parameters=LONG),
        dict(rope_parameters=None, rope_theta=10000.0,
             rope_scaling=dict(type="su", short_factor=LONG["short_factor"], long_factor=LONG["long_factor"])),
    ),
    "phi4-mini": (
        "phi3",
        dict(hidden_size=64, original_max_position_embeddings=32, tie_word_embeddings=True,
             rope_parameters=LONG | dict(partial_rotary_factor=0.75)),
        dict(rope_parameters=None, rope_theta=10000.0, partial_rotary_factor=0.75,
             rope_scaling=dict(type="longrope", short_factor=LONG["short_factor"], long_factor=LONG["long_factor"])),
    ),
    "mixtral": ("mixtral", dict(num_local_experts=5, num_experts_per_tok=2)),
    "mixtral-window": ("mixtral", dict(num_local_experts=4, num_experts_per_tok=1, sliding_window=16)),
    "qwen3-moe": (
        "qwen3_moe",
        dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=20, norm_topk_prob=True, head_dim=16),
    ),
    "qwen3-moe-mixed": (
        "qwen3_moe",
        dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=24, norm_topk_prob=False, head_dim=12,
             decoder_sparse_step=2, mlp_only_layers=[3]),
    ),
    "smollm3": ("smollm3", dict(no_rope_layer_interval=2)),
    "smollm3-window": ("smollm3", dict(use_sliding_window=True, sliding_window=16, no_rope_layers=[1, 0, 0, 1])),
    "olmo2": ("olmo2", dict()),
    "olmo2-mha": ("olmo2", dict(num_key_value_heads=4, attention_bias=True)),
    "granite": (
        "granite",
        dict(embedding_multiplier=6.0, logits_scaling=3.0, residual_multiplier=0.22, attention_multiplier=0.11),
    ),
    "granite-biases": (
        "granite",
        dict(attention_bias=True, mlp_bias=True, residual_multiplier=0.7, attention_multiplier=0.3,
             tie_word_embeddings=True),
    ),
}


def make(name: str, out: Path) -> None:
    family, changes, *old = CASES[name]
    config = transformers.CONFIG_MAPPING[family](**(SIZES | changes))
    model = transformers.AutoModelForCausalLM.from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        file = Path(folder) / "model.safetensors"
        with safe_open(file, "np") as tensors:
            shapes = {key: list(tensors.get_slice(key).get_shape()) for key in tensors.keys()}
        centered = family.startswith("gemma")
        save_file({key: weights(key, shape, centered) for key, shape in shapes.items()}, file, {"format": "pt"})
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager")
        written = json.loads((Path(folder) / "config.json").read_text())
    ids = [(37 * i + 11) % VOCAB for i in range(TOKENS)]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids])).logits[0].float().numpy()
    case = dict(config=written, tensors=shapes, ids=ids, made_by=dict(
        transformers=transformers.__version__, torch=torch.__version__.split("+")[0]))
    if old:
        case["old_config"] = {k: v for k, v in (written | old[0]).items() if v is not None or k not in old[0]}
    (out / f"{name}.json").write_text(json.dumps(case, separators=(",", ":")) + "\n")
    logits.astype("<f4").tofile(out / f"{name}.f32")
    print(f"{name}: {model.num_parameters()} parameters, logits within {abs(logits).max():.2f}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for case_name in sys.argv[2:] or CASES:
        make(case_name, target)
