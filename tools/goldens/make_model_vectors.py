"""What kvpress keeps of the bundled reference model's own keys, layer by layer, for the integration tests.

    venv/bin/python tools/goldens/make_model_vectors.py packages/reference-model/model integration/test/goldens/kvpress-on-model.json

Versions: requirements-kvpress.txt. A press compresses a layer after its attention, so what it sees of every layer is that of the whole prompt.
Per case: the press's parameters, and per layer and KV head the kept positions as a string of 0 and 1, or null where the choice is arbitrary.
"""
import json
import sys
from pathlib import Path

import kvpress
import torch
from kvpress_layer import kept_of, score_of, see_layer
from transformers import AutoModelForCausalLM

TOKENS = 317
IDS = [20 + ((i + 1) * 7919) % 3600 for i in range(TOKENS)]


def layers_of(folder):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    seen = []
    hooks = [
        layer.self_attn.register_forward_pre_hook(lambda module, args, kwargs: seen.append((module, kwargs["hidden_states"])), with_kwargs=True)
        for layer in model.model.layers
    ]
    with torch.no_grad():
        model(torch.tensor([IDS]))
    for hook in hooks:
        hook.remove()
    layers = []
    for module, hidden in seen:
        module.rotary_emb = model.model.rotary_emb
        layers.append(see_layer(module, hidden))
    return layers


SNAP = dict(window_size=16, kernel_size=5)
EXPECTED = dict(n_future_positions=128, n_sink=4, use_covariance=True, use_vnorm=True)
LAG = dict(n_sink=4, lag_size=32, cross_scoring=True)
OVER_SNAP = dict(base="snapkv", base_params=SNAP)
CRITICAL = dict(OVER_SNAP, first_stage_ratio=0.5, epsilon=1e-4)


def snap(ratio):
    return kvpress.SnapKVPress(ratio, **SNAP)


# method and parameters as in `pruners-next`, press, whether its own scores decide head by head
CASES = [
    *[("tova", r, {}, kvpress.TOVAPress(r), True) for r in (0.5, 0.9)],
    *[("knorm", r, {}, kvpress.KnormPress(r), True) for r in (0.5, 0.997)],
    *[("keydiff", r, {}, kvpress.KeyDiffPress(r), True) for r in (0.5, 0.9)],
    *[("snapkv_kvpress", r, SNAP, snap(r), True) for r in (0.4, 0.9)],
    *[("expected_attention", r, dict(EXPECTED, epsilon=0.0), kvpress.ExpectedAttentionPress(r, **EXPECTED), True) for r in (0.5, 0.9)],
    *[("lagkv", r, LAG, kvpress.LagKVPress(r, **LAG), True) for r in (0.5, 0.8)],
    *[("adakv", r, dict(OVER_SNAP, alpha_safeguard=0.2), kvpress.AdaKVPress(snap(r)), False) for r in (0.5, 0.8)],
    *[("criticalkv", r, CRITICAL, kvpress.CriticalKVPress(snap(r)), False) for r in (0.5, 0.8)],
    *[("criticaladakv", r, dict(CRITICAL, alpha_safeguard=0.2), kvpress.CriticalAdaKVPress(snap(r)), False) for r in (0.5, 0.8)],
    *[("chunkkv", r, dict(OVER_SNAP, chunk_length=20), kvpress.ChunkKVPress(snap(r), chunk_length=20), False) for r in (0.5,)],
]


def main(folder, out):
    layers = layers_of(folder)
    cases = []
    for method, ratio, params, press, own in CASES:
        kept = []
        for layer in layers:
            rows = kept_of(press, layer)
            scores = score_of(press, layer)[0].double() if own else None
            for head, row in enumerate(rows):
                clear = True
                if own and len(row) < layer.tokens:
                    best = scores[head].sort(descending=True).values
                    last, next_one = best[len(row) - 1], best[len(row)]
                    # Below lie numbers that lose digits or are 0, on one side or the other.
                    clear = bool(last - next_one > 1e-3 * last.abs()) and bool(last.abs() > 1e-30)
                bits = set(row)
                kept.append("".join("1" if t in bits else "0" for t in range(layer.tokens)) if clear else None)
        cases.append(dict(method=method, params=dict(params, compression_ratio=ratio), kept=kept))
    text = dict(madeWith="kvpress 0.5.5, torch 2.15.0, transformers 5.2.0", ids=IDS, kvHeads=layers[0].kv_heads, cases=cases)
    Path(out).write_text(json.dumps(text) + "\n")
    print(out, Path(out).stat().st_size)


main(*sys.argv[1:])
