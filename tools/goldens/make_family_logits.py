"""Logits of tiny models of every family, by the transformers library in float32.

    python -m venv venv && venv/bin/pip install -r tools/goldens/requirements.txt
    venv/bin/python tools/goldens/make_family_logits.py packages/core/test/goldens/families
    ... packages/core/test/goldens/families NAME MODEL_TYPE '{"head_dim": 16}' ['{"rope_theta": 500}']

The first makes all cases again, the second makes one: what differs from the library's defaults and SIZES,
and how files before version 5 of the library write it (null removes a field).

Weights are not kept: value i of a tensor comes from its name and i by `weights` below, which
packages/core/test/support/named-weights.ts repeats. A case is NAME.json (what it was made from,
config.json as the library writes it, names and shapes of all tensors, token ids) and NAME.f32
(logits, [tokens, vocab]).
"""
import copy
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


def make(name: str, out: Path, made_from: dict) -> None:
    family, changes, old = made_from["family"], made_from["changes"], made_from.get("old")
    changes = copy.deepcopy(changes)
    if "text_config" in changes:
        changes["text_config"] = SIZES | changes["text_config"]
    else:
        changes = SIZES | changes
    config = transformers.CONFIG_MAPPING[family](**changes)
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
    case = dict(made_from=made_from, config=written, tensors=shapes, ids=ids, made_by=dict(
        transformers=transformers.__version__, torch=torch.__version__.split("+")[0]))
    if old:
        case["old_config"] = {k: v for k, v in (written | old).items() if v is not None or k not in old}
    (out / f"{name}.json").write_text(json.dumps(case, separators=(",", ":")) + "\n")
    logits.astype("<f4").tofile(out / f"{name}.f32")
    print(f"{name}: {model.num_parameters()} parameters, logits within {abs(logits).max():.2f}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        name, family, changes, *old = sys.argv[2:]
        made = dict(family=family, changes=json.loads(changes))
        if old:
            made["old"] = json.loads(old[0])
        make(name, target, made)
    else:
        for file in sorted(target.glob("*.json")):
            make(file.stem, target, json.loads(file.read_text())["made_from"])
