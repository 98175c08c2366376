"""Runs kvpress on many seeded layers of odd shapes and writes what it makes of them in the layout of `pruners-next`, which
`pnpm check:goldens` reads: shapes, budgets down to one token, ties.

    venv/bin/python tools/goldens/make_pruner_cases.py OUT/pruners-next [--seed N]
    venv/bin/python tools/goldens/make_pruner_cases.py integration/test/goldens/pruners-next --small
"""
import argparse
import json
from pathlib import Path

import kvpress
import numpy as np
import torch
from kvpress.presses.leverage_press import LeverageScorePress
from kvpress.presses.non_causal_attention_press import NonCausalAttnPress
from kvpress_layer import kept_of, make_layer, score_of

# tokens, query heads, KV heads, head dimension, hidden size
SHAPES = [
    (53, 3, 3, 8, 16), (67, 6, 2, 16, 24), (129, 5, 1, 32, 40), (200, 8, 8, 16, 32), (331, 9, 3, 24, 48),
    (17, 2, 2, 64, 32), (640, 4, 2, 32, 48), (96, 7, 7, 80, 32), (257, 12, 4, 48, 64), (33, 2, 1, 128, 24), (1025, 2, 1, 16, 16),
]
SMALL = [(37, 3, 3, 8, 12), (45, 5, 1, 24, 16), (29, 6, 2, 16, 12)]
RATIOS = [0.1, 0.3, 0.5, 0.55, 0.75, 0.9, 0.98, 0.999]


class Writer:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.floats, self.count = [], 0
        self.kept, self.kept_count = [], 0
        self.manifest = dict(array_file="arrays.f32.bin", index_file="kept_indices.i32.bin", inputs={}, cake_inputs={},
                             kvzip_replays={}, cases=[], cake_budget_tables=[], kept_count_table=[])

    def array(self, x):
        x = x.detach().float().contiguous().numpy()
        at = dict(offset=self.count, shape=list(x.shape))
        self.floats.append(x.ravel())
        self.count += x.size
        return at

    def input(self, name, layer):
        def put(x):
            at = self.array(x)
            return dict(file="arrays.f32.bin", byte_offset=4 * at["offset"], shape=at["shape"])

        self.manifest["inputs"][name] = dict(
            n_tokens=layer.tokens, head_dim=layer.dim, num_query_heads=layer.query_heads, num_kv_heads=layer.kv_heads,
            rope=dict(theta=10000.0), q_pre=put(layer.q_before), q=put(layer.q), k_pre=put(layer.k_before), k=put(layer.k),
            v=put(layer.v), wo=put(layer.wo),
        )

    def case(self, method, name, params, kept, unique, arrays):
        self.manifest["cases"].append(dict(
            id=f"{len(self.manifest['cases']):03d}_{method}_{name}", method=method, input=name, params=params,
            kept_count=[len(row) for row in kept], kept_offset=self.kept_count, kept_set_unique=unique,
            arrays={key: self.array(x) for key, x in arrays.items()},
        ))
        for row in kept:
            self.kept.extend(row)
            self.kept_count += len(row)

    def write(self):
        np.concatenate(self.floats).astype("<f4").tofile(self.folder / "arrays.f32.bin")
        np.array(self.kept, dtype="<i4").tofile(self.folder / "kept_indices.i32.bin")
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))


def clear(row, count):
    """Whether the boundary of the `count` best of a row is clear."""
    if count <= 0 or count >= row.numel():
        return True
    best = row.double().sort(descending=True).values
    return bool((best[count - 1] - best[count]) > 1e-4 * best[count - 1].abs().clamp_min(1e-30))


def per_head(scores, kept):
    return [clear(scores[0, h], len(kept[h])) for h in range(len(kept))]


def pooled(scores, n_kept, safeguard):
    """Whether the common boundary of all heads is clear once each has its guarded ones."""
    safe = max(1, int(n_kept * safeguard)) if safeguard > 0 else 0
    own = all(clear(row, safe) for row in scores[0])
    flat = scores.clone()
    flat.scatter_(-1, flat.topk(safe, dim=-1).indices, float("inf"))
    finite = flat.flatten()
    return own and clear(torch.where(finite.isinf(), finite.new_tensor(1e30), finite), n_kept * scores.shape[1])


def kept_tokens(tokens, ratio):
    return max(1, int(tokens * (1 - ratio)))


def bases(layer):
    for window, kernel in ((8, 5), (16, 3)):
        if window < layer.tokens:
            yield "snapkv", dict(window_size=window, kernel_size=kernel), lambda r, w=window, k=kernel: kvpress.SnapKVPress(r, w, k)
    yield ("expected_attention", dict(n_future_positions=64, n_sink=4, use_covariance=True, use_vnorm=False),
           lambda r: kvpress.ExpectedAttentionPress(r, n_future_positions=64, n_sink=4, use_covariance=True, use_vnorm=False))


def score_cases(out, name, layer, ratio):
    def plain(method, params, press):
        scores, kept = score_of(press, layer), kept_of(press, layer)
        out.case(method, name, dict(compression_ratio=ratio, **params), kept, per_head(scores, kept), dict(scores=scores[0]))

    plain("tova", {}, kvpress.TOVAPress(ratio))
    plain("knorm", {}, kvpress.KnormPress(ratio))
    plain("keydiff", {}, kvpress.KeyDiffPress(ratio))
    for future, sinks, covariance, norm, epsilon in ((32, 4, True, True, 0.0), (512, 0, False, True, 0.01), (7, 4, True, False, 0.0)):
        plain("expected_attention",
              dict(n_future_positions=future, n_sink=sinks, use_covariance=covariance, use_vnorm=norm, epsilon=epsilon),
              kvpress.ExpectedAttentionPress(ratio, n_future_positions=future, n_sink=sinks, use_covariance=covariance,
                                             use_vnorm=norm, epsilon=epsilon))
    for window, kernel in ((1, 1), (5, 3), (16, 5), (64, 7)):
        if window < layer.tokens:
            plain("snapkv_kvpress", dict(window_size=window, kernel_size=kernel), kvpress.SnapKVPress(ratio, window, kernel))
    for sinks, lag, across in ((4, 16, False), (0, 9, False), (4, 128, False), (4, 13, True)):
        plain("lagkv", dict(n_sink=sinks, lag_size=lag, cross_scoring=across),
              kvpress.LagKVPress(ratio, n_sink=sinks, lag_size=lag, cross_scoring=across))


def wrapper_cases(out, name, layer, ratio):
    n_kept = kept_tokens(layer.tokens, ratio)
    for base, base_params, make in bases(layer):
        scores = score_of(make(ratio), layer)
        about = dict(compression_ratio=ratio, base=base, base_params=base_params)
        norms = kvpress.CriticalKVPress.vwl1norm(layer.v, layer.module)
        for safeguard in (0.2, 0.0, 0.95):
            press = kvpress.AdaKVPress(make(ratio), alpha_safeguard=safeguard)
            if not pooled(scores, n_kept, safeguard):
                continue  # even the heads' numbers are anybody's guess
            out.case("adakv", name, dict(about, alpha_safeguard=safeguard), kept_of(press, layer), [True] * layer.kv_heads,
                     dict(base_scores=scores[0]))
        for first in (0.5, 0.3):
            press = kvpress.CriticalKVPress(make(ratio), first_stage_ratio=first)
            second, kept = score_of(press, layer), kept_of(press, layer)
            count = max(1, int((1 - ratio) * layer.tokens * first))
            unique = [a and b for a, b in zip(per_head(second, kept), (clear(row, count) for row in scores[0]))]
            out.case("criticalkv", name, dict(about, first_stage_ratio=first, epsilon=1e-4), kept, unique,
                     dict(base_scores=scores[0], wov_l1=norms[0], scores=second[0]))
        for safeguard in (0.2, 0.0):
            press = kvpress.CriticalAdaKVPress(make(ratio), alpha_safeguard=safeguard)
            kept = kept_of(press, layer)
            stage = [clear(row, int(len(own) * 0.5)) for row, own in zip(scores[0], kept)]
            rest = [clear((row + 1e-4) * w, len(own)) for row, w, own in zip(scores[0], norms[0], kept)]
            if not (pooled(scores, n_kept, safeguard) and all(stage) and all(rest)):
                continue
            out.case("criticaladakv", name, dict(about, alpha_safeguard=safeguard, first_stage_ratio=0.5, epsilon=1e-4), kept,
                     [True] * layer.kv_heads, dict(base_scores=scores[0], wov_l1=norms[0]))
        if base != "snapkv":
            continue
        for chunk in (7, 20):
            press = kvpress.ChunkKVPress(make(ratio), chunk_length=chunk)
            kept = kept_of(press, layer)
            sums = [part.mean() for part in scores[0].sum(dim=0).split(chunk)]
            whole = layer.tokens // chunk > 0
            chosen = max(1, int(len(sums) * (1 - ratio)))
            if whole and not clear(torch.stack(sums), chosen):
                continue  # chunks of the window alone tie, and the last one is shorter
            unique = [True] * layer.kv_heads if whole else per_head(scores, kept)
            out.case("chunkkv", name, dict(about, chunk_length=chunk), kept, unique, dict(base_scores=scores[0]))


def exact_leverage(keys, phi):
    """The same in float64: how far their own rounding goes."""
    x = (keys.double() - keys.double().mean(-2, keepdim=True)) @ phi.double()
    gram = x.transpose(-2, -1) @ x + 1e-2 * torch.eye(x.shape[-1], dtype=torch.float64)
    return (x * torch.linalg.solve(gram, x.transpose(-2, -1)).transpose(-2, -1)).sum(-1)


def compactor_cases(out, name, layer, ratio, seed):
    for chunk, sketch, blending in ((32, 16, None), (256, 48, 0.35)):
        press = kvpress.CompactorPress(ratio, chunk_size=chunk, sketch_dimension=sketch, blending=blending)
        drawn = []
        original = torch.randn

        def randn(*args, **more):
            drawn.append(original(*args, **more))
            return drawn[-1]

        def seeded(use):
            torch.manual_seed(seed)
            torch.randn = randn
            try:
                return use()
            finally:
                torch.randn = original

        cut = slice(8, layer.tokens - 4)
        leverage = seeded(lambda: LeverageScorePress.compute_leverage_scores(layer.k_before[:, :, cut], sketch))
        phi = drawn[0].reshape(-1, layer.dim, sketch).expand(layer.kv_heads, -1, -1) / sketch**0.5
        rounding = (leverage / exact_leverage(layer.k_before[:, :, cut], phi) - 1).abs().max()
        if rounding > 2e-4:
            continue
        scores = seeded(lambda: score_of(press, layer))
        kept = seeded(lambda: kept_of(press, layer))
        group = layer.query_heads // layer.kv_heads
        columns = NonCausalAttnPress.non_causal_chunked_attn(
            layer.q[:, :, cut], layer.k[:, :, cut].repeat_interleave(group, dim=1), chunk)
        weighed = columns.view(1, layer.kv_heads, group, -1).mean(2) * layer.v[:, :, cut].norm(dim=-1)
        smooth = torch.nn.functional.avg_pool1d(weighed, 3, 1, 1)
        z = (smooth - smooth.mean()) / smooth.std()
        out.case("compactor", name, dict(compression_ratio=ratio, chunk_size=chunk, sketch_dimension=sketch, blending=blending,
                                         sink_size_start=8, sink_size_end=4), kept, per_head(scores, kept),
                 dict(phi=phi, leverage=leverage[0], attn_colsum_qheads=columns[0], z_attention=z[0], scores=scores[0]))
        out.manifest["cases"][-1]["ill_conditioned"] = bool(rounding > 2e-5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="few layers, for the repository")
    given = parser.parse_args()
    out = Writer(given.folder)
    for i, shape in enumerate(SMALL if given.small else SHAPES):
        seed = 1000 * given.seed + i
        # Queries and keys of about this size: logits with a standard deviation of its square.
        size = 1.5 if i % 2 == 0 else 0.8
        layer = make_layer(seed, *shape, std=size / shape[-1] ** 0.5, repeated=[(11, 5), (14, 5)] if i % 3 == 2 else [])
        name = f"s{i}"
        out.input(name, layer)
        ratios = [0.45, 0.9] if given.small else [RATIOS[(i + k) % len(RATIOS)] for k in (0, 3, 6)]
        for ratio in [*ratios, 1 - 1 / layer.tokens]:
            score_cases(out, name, layer, ratio)
            wrapper_cases(out, name, layer, ratio)
            if layer.tokens > 28:
                compactor_cases(out, name, layer, ratio, seed)
            block = kvpress.BlockPress(kvpress.KeyDiffPress(ratio), block_size=16)
            if layer.hidden.shape[-1] % layer.kv_heads == 0:
                kept = kept_of(block, layer)
                out.case("keydiff_blockwise", name, dict(compression_ratio=ratio, block_size=16), kept, [True] * layer.kv_heads, {})
    out.write()
    print(len(out.manifest["cases"]), "cases")


main()
