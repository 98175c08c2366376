"""What kvpress makes of a model and of prompts: python kvpress_peer.py MODEL.gguf IN.json OUT.json

IN:  {"prompts": [{"ids": [...], "question": [...]}], "presses": {"name": {"press": "SnapKVPress", "options": {...}, "attention": "eager"?}},
     "kept": [number per prompt], "answerTokens": 12}
OUT: {"versions": {...}, "full": [{"answer": [...]}], "presses": {"name": [{"kept": [layers][heads][positions], "answer": [...],
     "kl": mean nats to the full cache over the full cache's own answer, "top1": share of equal likeliest tokens}]}}

float32 on the CPU. The text is compressed alone; the question follows at its true positions, as in kvpress' own pipeline.
"""
import copy
import json
import sys

import kvpress
import torch
import transformers
from transformers import AutoModelForCausalLM, DynamicCache

path, source, target = sys.argv[1:4]
given = json.load(open(source))
folder, _, name = path.rpartition("/")
model = AutoModelForCausalLM.from_pretrained(
    folder or ".", gguf_file=name, dtype=torch.float32, attn_implementation="sdpa").eval()


def prefill(ids, press=None, attention="sdpa"):
    cache = DynamicCache()
    model.set_attn_implementation(attention)
    tokens = torch.tensor([ids])
    with torch.no_grad():
        if press is None:
            model(tokens, past_key_values=cache, logits_to_keep=1)
        else:
            with press(model):
                model(tokens, past_key_values=cache, logits_to_keep=1)
    model.set_attn_implementation("sdpa")
    return cache


def feed(cache, ids, at):
    """Logits after each token, [tokens, vocab]."""
    positions = torch.arange(at, at + len(ids))[None]
    with torch.no_grad():
        return model(torch.tensor([ids]), past_key_values=cache, position_ids=positions).logits[0]


def answer(cache, question, at, count):
    ids, logits = [], feed(cache, question, at)[-1]
    for i in range(count):
        ids.append(int(logits.argmax()))
        logits = feed(cache, [ids[-1]], at + len(question) + i)[-1]
    return ids


def keep_exactly(press, count, kept):
    """The press with its own scores, keeping `count` tokens, and what it kept written down."""
    def compress(module, hidden_states, keys, values, attentions, kwargs):
        scores = press.score(module, hidden_states, keys, values, attentions, kwargs)
        own = getattr(press, "get_layer_budget", None)
        indices = scores.topk(own(module, keys.shape[2]) if own else count, dim=-1).indices
        kept.append([sorted(head) for head in indices[0].tolist()])
        indices = indices.unsqueeze(-1).expand(-1, -1, -1, module.head_dim)
        return keys.gather(2, indices).contiguous(), values.gather(2, indices).contiguous()
    press.compress = compress
    return press


full, presses = [], {name: [] for name in given["presses"]}
for prompt, count in zip(given["prompts"], given["kept"]):
    ids, question = prompt["ids"], prompt["question"]
    own = answer(prefill(ids), question, len(ids), given["answerTokens"])
    full.append({"answer": own})
    told = question + own[:-1]
    exact = feed(prefill(ids), told, len(ids))[len(question) - 1:].log_softmax(-1)
    for name, spec in given["presses"].items():
        def press(kept):
            ratio = 1 - count / len(ids)
            made = getattr(kvpress, spec["press"])(compression_ratio=ratio, **spec["options"])
            return keep_exactly(made, count, kept)
        kept = []
        cache = prefill(ids, press(kept), spec.get("attention", "sdpa"))
        copied = copy.deepcopy(cache)
        theirs = answer(cache, question, len(ids), given["answerTokens"])
        rows = feed(copied, told, len(ids))[len(question) - 1:].log_softmax(-1)
        kl = (exact.exp() * (exact - rows)).sum(-1).mean()
        top1 = (exact.argmax(-1) == rows.argmax(-1)).float().mean()
        presses[name].append({"kept": kept, "answer": theirs, "kl": float(kl), "top1": float(top1)})

versions = {"kvpress": __import__("importlib.metadata").metadata.version("kvpress"),
            "transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
json.dump({"versions": versions, "full": full, "presses": presses}, open(target, "w"))
