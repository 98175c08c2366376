"""Scores and kept tokens of kvpress on one seeded layer, in float32, for the tests of the pruners' packages.

    python -m venv venv && venv/bin/pip install -r tools/goldens/requirements-kvpress.txt
    venv/bin/python tools/goldens/make_pruner_vectors.py packages

Writes packages/pruners/NAME/test/goldens/kvpress.json: the layer (float32, base64), and per case the press's parameters,
the scores that went into its top-k where it has some, and the kept positions of every KV head.
"""
import base64
import json
import sys
from pathlib import Path

import kvpress
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding, apply_rotary_pos_emb

TOKENS, QUERY_HEADS, KV_HEADS, DIM, HIDDEN = 53, 4, 2, 8, 16


def layer():
    torch.manual_seed(20261128)
    config = LlamaConfig(
        hidden_size=HIDDEN, num_attention_heads=QUERY_HEADS, num_key_value_heads=KV_HEADS, head_dim=DIM,
        num_hidden_layers=1, intermediate_size=8, vocab_size=8, max_position_embeddings=2048,
    )
    config._attn_implementation = "sdpa"
    module = LlamaAttention(config, layer_idx=0)
    module.eval()
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    module.rotary_emb = LlamaRotaryEmbedding(config)
    hidden = torch.randn(1, TOKENS, HIDDEN)
    position = module.rotary_emb(hidden, torch.arange(TOKENS)[None])
    heads = lambda x, n: x.view(1, TOKENS, n, DIM).transpose(1, 2)
    q_before, k_before, v = (
        heads(module.q_proj(hidden), QUERY_HEADS), heads(module.k_proj(hidden), KV_HEADS), heads(module.v_proj(hidden), KV_HEADS),
    )
    q, k = apply_rotary_pos_emb(q_before, k_before, *position)
    tensors = dict(q=q, k=k, v=v, qBefore=q_before, kBefore=k_before, outputWeight=module.o_proj.weight,
                   ropeInvFreq=module.rotary_emb.inv_freq)
    return module, hidden, dict(position_embeddings=position), tensors


def pack(x):
    return base64.b64encode(x.detach().float().contiguous().numpy().tobytes()).decode()


def kept_of(press, module, hidden, kwargs, tensors):
    """Positions per KV head: keys are replaced by their numbers, so that what is gathered says which."""
    keys, values = tensors["k"], tensors["v"]
    kept = {}

    class Numbered(type(press)):
        pass

    marked = torch.cat([keys, torch.arange(TOKENS).float().view(1, 1, -1, 1).expand(1, KV_HEADS, -1, 1)], dim=-1)
    gathered = []
    original = torch.Tensor.gather

    def gather(self, dim, index, **more):
        if self.data_ptr() == keys.data_ptr():
            gathered.append(index[0, :, :, 0].tolist())
        return original(self, dim, index, **more)

    torch.Tensor.gather = gather
    try:
        press.compress(module, hidden, keys, values, None, kwargs)
    finally:
        torch.Tensor.gather = original
    if gathered:
        return [sorted(row) for row in gathered[0]]
    masked = {(int(h), int(t)) for _, h, t in zip(*(x.tolist() for x in module.masked_key_indices))}
    return [[t for t in range(TOKENS) if (h, t) not in masked] for h in range(KV_HEADS)]


def snap(ratio, window=8, kernel=5):
    return kvpress.SnapKVPress(compression_ratio=ratio, window_size=window, kernel_size=kernel)


CASES = {
    "tova": [("tova", dict(ratio=r), lambda r=r: kvpress.TOVAPress(r)) for r in (0.3, 0.55)],
    "lagkv": [
        ("lagkv", dict(ratio=0.4, sinks=4, lag=9, compare=c), lambda c=c: kvpress.LagKVPress(0.4, n_sink=4, lag_size=9, cross_scoring=c == "across"))
        for c in ("within", "across")
    ] + [("lagkv", dict(ratio=0.5, sinks=4, lag=40, compare="within"), lambda: kvpress.LagKVPress(0.5, n_sink=4, lag_size=40))],
    "expected-attention": [
        ("expected-attention", dict(ratio=0.5, future=f, covariance=c, weigh="value-norm" if n else "none"),
         lambda f=f, c=c, n=n: kvpress.ExpectedAttentionPress(0.5, n_future_positions=f, n_sink=4, use_covariance=c, use_vnorm=n))
        for f, c, n in ((32, True, True), (64, False, True), (16, True, False))
    ],
    "criticalkv": [
        ("criticalkv", dict(ratio=0.45, window=8, kernel=5, first=f), lambda f=f: kvpress.CriticalKVPress(snap(0.45), first_stage_ratio=f))
        for f in (0.5, 0.7)
    ] + [("criticaladakv", dict(ratio=0.5, window=8, kernel=5, first=0.5, floor=0.2), lambda: kvpress.CriticalAdaKVPress(snap(0.5)))],
    "chunkkv": [
        ("chunkkv", dict(ratio=0.5, chunk=c, window=8, kernel=5), lambda c=c: kvpress.ChunkKVPress(snap(0.5), chunk_length=c)) for c in (7, 10)
    ] + [
        ("entropy", dict(ratio=r, chunk=c, rescue=2, window=8, kernel=5),
         lambda r=r, c=c: kvpress.EntropyGatedChunkKVPress(snap(r), chunk_length=c, low_entropy_chunk_length=2))
        for r, c in ((0.5, 10), (0.6, 7), (0.35, 6))
    ],
}


def main(folder):
    module, hidden, kwargs, tensors = layer()
    shape = dict(tokens=TOKENS, queryHeads=QUERY_HEADS, kvHeads=KV_HEADS, headDim=DIM)
    for package, cases in CASES.items():
        recorded = []
        for kind, params, make in cases:
            press = make()
            entry = dict(kind=kind, params=params)
            with torch.no_grad():
                if kind in ("tova", "lagkv", "expected-attention"):
                    entry["scores"] = pack(press.score(module, hidden, tensors["k"], tensors["v"], None, kwargs))
                entry["kept"] = kept_of(press, module, hidden, kwargs, tensors)
            recorded.append(entry)
        out = Path(folder) / "pruners" / package / "test" / "goldens" / "kvpress.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        wanted = {name: pack(x) for name, x in tensors.items()}
        text = dict(madeWith="kvpress 0.5.5, torch 2.15.0, transformers 5.24.0", shape=shape, tensors=wanted, cases=recorded)
        out.write_text(json.dumps(text) + "\n")
        print(out, out.stat().st_size)


main(sys.argv[1])
