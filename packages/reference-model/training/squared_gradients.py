"""Squared gradients of the loss with respect to the cached K (before RoPE) and V of every layer, by hand in NumPy (float64).

python3 squared_gradients.py ../model --texts texts --out gradients.f32 --even
qpkv calibrate --text texts/*.txt --gradients gradients.f32 --out weighted.json
python3 squared_gradients.py ../model --check      # the gradients against central finite differences

The loss is the summed next-token cross-entropy of the answers of texts of the world (tasks.py); a text ends with questions about
every number hidden in it. Squared, its gradients are the empirical diagonal Fisher information. FILE is little-endian float32: for
every text and layer K then V, each [key/value heads, tokens, head size]. The texts are written too, one a file, because
the gradients belong to their tokens.
"""
import argparse
import json
import os
import random
import struct
import sys

import numpy as np

import bpe
import tasks


def weights(folder):
    """Tensors of a bfloat16 model.safetensors by name, without the prefix."""
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    out = {}
    for name, t in header.items():
        if name != "__metadata__":
            assert t["dtype"] == "BF16", name
            bits = np.frombuffer(data[slice(*t["data_offsets"])], "<u2").astype("<u4") << 16
            out[name.removeprefix("model.")] = bits.view("<f4").astype(float).reshape(t["shape"])
    return out


def norm(x, w, eps):
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    return x * r * w, r


def norm_back(dy, x, w, r):
    g = dy * w
    return r * (g - x * r * r * (g * x).mean(-1, keepdims=True))


def rotate(x, cos, sin):
    h = x.shape[-1] // 2
    return x * cos + np.concatenate([-x[..., h:], x[..., :h]], -1) * sin


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Llama:
    def __init__(self, folder):
        self.c, self.w = json.load(open(os.path.join(folder, "config.json"))), weights(folder)
        self.layers, self.hk, self.hd = (self.c[n] for n in ("num_hidden_layers", "num_key_value_heads", "head_dim"))
        self.group = self.c["num_attention_heads"] // self.hk

    def heads(self, x):     # [T, heads * hd] -> [hk, group or 1, T, hd]
        return x.reshape(len(x), self.hk, -1, self.hd).transpose(1, 2, 0, 3)

    def rows(self, x):      # and back
        return x.transpose(2, 0, 1, 3).reshape(x.shape[2], -1)

    def block(self, i):
        names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
                 "mlp.down_proj", "input_layernorm", "post_attention_layernorm")
        return [self.w[f"layers.{i}.{n}.weight"] for n in names]

    def loss(self, ids, answer, shift=None):
        """Summed cross-entropy of ids[t] for every t in `answer`; `shift` {(layer, 0 for K or 1 for V): array} is added to K and V.

        Returns it and gradients(), which gives [layers][K, V], each [hk, T, hd].
        """
        ids, at = np.asarray(ids), np.asarray(answer) - 1
        T, eps, scale, E = len(ids), self.c["rms_norm_eps"], self.hd ** -0.5, self.w["embed_tokens.weight"]
        angle = np.outer(np.arange(T), self.c["rope_theta"] ** (-np.arange(0, self.hd, 2) / self.hd))
        cos, sin = np.cos(np.hstack([angle, angle])), np.sin(np.hstack([angle, angle]))
        mask = np.triu(np.full((T, T), -np.inf), 1)
        x, kept = E[ids], []
        for i in range(self.layers):
            wq, wk, wv, wo, wg, wu, wd, n1, n2 = self.block(i)
            h, r1 = norm(x, n1, eps)
            q, k, v = (self.heads(h @ w.T) for w in (wq, wk, wv))
            k, v = (a + shift[i, j][:, None] if shift and (i, j) in shift else a for j, a in enumerate((k, v)))
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            p = softmax(q @ k.swapaxes(-1, -2) * scale + mask)
            y = x + self.rows(p @ v) @ wo.T
            h, r2 = norm(y, n2, eps)
            g, u = h @ wg.T, h @ wu.T
            s = 1 / (1 + np.exp(-g))
            kept.append((x, r1, q, k, v, p, y, r2, g, u, s))
            x = y + (g * s * u) @ wd.T
        h, r = norm(x, self.w["norm.weight"], eps)
        p_out = softmax(h[at] @ E.T)
        hit = np.arange(len(at)), ids[at + 1]
        loss = -np.log(p_out[hit]).sum()

        def gradients():
            d_logits = p_out.copy()
            d_logits[hit] -= 1
            dh = np.zeros_like(h)
            dh[at] = d_logits @ E
            dx, out = norm_back(dh, x, self.w["norm.weight"], r), []
            for i in reversed(range(self.layers)):
                wq, wk, wv, wo, wg, wu, wd, n1, n2 = self.block(i)
                x0, r1, q, k, v, p, y, r2, g, u, s = kept[i]
                da = dx @ wd
                dh = (da * u * s * (1 + g * (1 - s))) @ wg + (da * g * s) @ wu
                dx = dx + norm_back(dh, y, n2, r2)
                do = self.heads(dx @ wo)
                dp = do @ v.swapaxes(-1, -2)
                ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * scale
                dv = (p.swapaxes(-1, -2) @ do).sum(1, keepdims=True)      # over the query heads of a group
                dk = rotate((ds.swapaxes(-1, -2) @ q).sum(1, keepdims=True), cos, -sin)
                dq = rotate(ds @ k, cos, -sin)
                out.append((dk[:, 0], dv[:, 0]))
                dh = sum(self.rows(d) @ w for d, w in ((dq, wq), (dk, wk), (dv, wv)))
                dx = dx + norm_back(dh, x0, n1, r1)
            return out[::-1]

        return loss, gradients


def text(maker, rng, tokens, keys):
    """Ids of a text of at most `tokens` tokens that asks for all its numbers, and the places of the answers."""
    row = maker.row(rng, tokens - 1, maker.facts(rng, "number", keys), keys, "question", intro="", weights=(0, 0))
    if row is None:
        sys.exit(f"{keys} questions do not fit into {tokens} tokens; take more --tokens or fewer --keys.")
    ids = [i for i in row[0] if i != maker.pad]
    assert maker.tok.encode(maker.tok.decode(ids)) == ids      # the file gives these tokens again
    return ids, np.flatnonzero(row[1])


def check(model, ids, answer, seed):
    """Per layer and tensor: the derivative along a random direction, and for two random entries of the largest hundredth."""
    rng, step, worst = np.random.default_rng(seed), 1e-4, 0.0
    loss, gradients = model.loss(ids, answer)
    print(f"{len(ids)} tokens, {len(answer)} of answers, loss {loss:.6f}")
    for i, pair in enumerate(gradients()):
        for j, g in enumerate(pair):
            top = np.argsort(-np.abs(g), axis=None)[:g.size // 100]
            moves = [rng.standard_normal(g.shape)]
            for entry in rng.choice(top, 2, replace=False):
                moves.append(np.zeros_like(g))
                moves[-1].flat[entry] = 1
            for n, move in enumerate(moves):
                up, down = (model.loss(ids, answer, {(i, j): sign * step * move})[0] for sign in (1, -1))
                mine, want = (g * move).sum(), (up - down) / (2 * step)
                error = abs(mine - want) / np.sqrt((g * g * (move != 0)).sum())
                worst = max(worst, error)
                what = f"layer {i} {'KV'[j]} {'entry' if n else 'all  '}"
                print(f"{what} by hand {mine: .9e} differences {want: .9e} error {error:.1e}")
    print(f"largest error {worst:.1e}, relative to the size of the gradient")
    return worst < 1e-4


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("--out", metavar="FILE")
    ap.add_argument("--texts", metavar="FOLDER", help="where the texts go, one a file")
    ap.add_argument("--tokens", type=int, default=2048, help="of a text, at most; not more than --tokens of qpkv calibrate")
    ap.add_argument("--chunks", type=int, default=8, help="texts; not more than --chunks of qpkv calibrate")
    ap.add_argument("--keys", type=int, help="numbers hidden in a text, all of them asked (default: one per 128 tokens)")
    ap.add_argument("--even", action="store_true", help="scale the squares of every text to the sum 1")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--check", action="store_true", help="compare with finite differences on one text of 128 tokens; write nothing")
    a = ap.parse_args()
    model, rng = Llama(a.model), random.Random(a.seed)
    maker = tasks.Maker(bpe.load(os.path.join(a.model, "tokenizer.json")))
    if a.check:
        sys.exit(0 if check(model, *text(maker, rng, 128, 2), a.seed) else "The gradients are wrong.")
    if not a.out or not a.texts:
        ap.error("expected --texts FOLDER and --out FILE, or --check")
    os.makedirs(a.texts, exist_ok=True)
    with open(a.out, "wb") as f:
        for n in range(a.chunks):
            ids, answer = text(maker, rng, a.tokens, a.keys or max(1, a.tokens // 128))
            loss, gradients = model.loss(ids, answer)
            with open(os.path.join(a.texts, f"text-{n:03d}.txt"), "w") as out:
                out.write(maker.tok.decode(ids[1:]))      # the tokenizer puts the first token in front
            squares = [g * g for pair in gradients() for g in pair]
            size = sum(s.sum() for s in squares) if a.even else 1
            for s in squares:
                f.write((s / size).astype("<f4").tobytes())
            print(f"text {n}: {len(ids)} tokens, {len(answer)} of answers, loss {loss / len(answer):.4f} a token", flush=True)


if __name__ == "__main__":
    main()
