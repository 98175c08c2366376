"""Plays prompts through transformers, one per line: python transformers_player.py MODEL.gguf < requests > replies

A request: {"ids": [...], "question": [...], "answerTokens": N, "settings": {NAME: {"cache": "quanto" | "hqq", "bits": B, "group": G,
"residual": R, "axis": A} | {"press": CLASS, "options": {...}, "ratio": X}}}. Its reply: {"fullBytes": B, "rows": {NAME: {"answer": [...],
"kl": mean nats to the full cache over its own answer, "top1": share of equal likeliest tokens, "bytes": B, "prefillMs": T, "tokenMs": T}}},
with a row "full" for the cache as it is. The text is compressed alone; the question follows at its true positions. A first line says the versions.

float32 on the CPU. Bytes count every float at 16 bit, as the cache of a 16-bit model would hold it.
"""
import json
import resource
import sys
import time
from importlib.metadata import version

import kvpress
import torch
from transformers import AutoModelForCausalLM, DynamicCache, QuantizedCache

out = sys.stdout
sys.stdout = sys.stderr
folder, _, name = sys.argv[1].rpartition("/")
torch.set_num_threads(int(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(
    folder or ".", gguf_file=name, dtype=torch.float32, attn_implementation="sdpa").eval()


def say(value):
    out.write(json.dumps(value) + "\n")
    out.flush()


def prefill(ids, setting):
    tokens = torch.tensor([ids])
    if "cache" in setting:
        cache = QuantizedCache(
            backend=setting["cache"], config=model.config, nbits=setting["bits"], axis_key=setting["axis"],
            axis_value=setting["axis"], q_group_size=setting["group"], residual_length=setting["residual"])
    else:
        cache = DynamicCache()
    with torch.no_grad():
        if "press" in setting:
            press = getattr(kvpress, setting["press"])(compression_ratio=setting["ratio"], **setting["options"])
            with press(model):
                model(tokens, past_key_values=cache, logits_to_keep=1)
        else:
            model(tokens, past_key_values=cache, logits_to_keep=1)
    return cache


def feed(cache, ids, at):
    """Logits after each token, [tokens, vocab]."""
    positions = torch.arange(at, at + len(ids))[None]
    with torch.no_grad():
        return model(torch.tensor([ids]), past_key_values=cache, position_ids=positions).logits[0]


def bytes_of(tensor):
    """Codes in the bytes they take, floats at 16 bit."""
    return tensor.numel() * (2 if tensor.is_floating_point() else tensor.element_size())


def layer_bytes(layer):
    total = bytes_of(layer.keys) + bytes_of(layer.values)
    for quantized in (getattr(layer, "_quantized_keys", None), getattr(layer, "_quantized_values", None)):
        if isinstance(quantized, tuple):  # HQQ: codes and their scales and zeros
            total += sum(map(bytes_of, (quantized[0], quantized[1]["scale"], quantized[1]["zero"])))
        elif quantized is not None:  # quanto
            total += sum(map(bytes_of, (quantized._data._data, quantized._scale, quantized._shift)))
    return total


def play(request, setting, exact):
    """The setting's row, and the rows of logits along the full cache's answer."""
    ids, question, count = request["ids"], request["question"], request["answerTokens"]
    began = time.perf_counter()
    cache = prefill(ids, setting)
    held = sum(map(layer_bytes, cache.layers))
    logits = feed(cache, question, len(ids))[-1]
    answer = [int(logits.argmax())]
    first = time.perf_counter()
    for i in range(count - 1):
        logits = feed(cache, [answer[-1]], len(ids) + len(question) + i)[-1]
        answer.append(int(logits.argmax()))
    done = time.perf_counter()
    told = question + (exact["answer"] if exact else answer)[:-1]
    rows = feed(prefill(ids, setting), told, len(ids))[len(question) - 1:].log_softmax(-1)
    row = {"answer": answer, "bytes": held, "prefillMs": 1000 * (first - began),
           "tokenMs": 1000 * (done - first) / (count - 1), "kl": 0.0, "top1": 1.0}
    if exact:
        row["kl"] = float((exact["rows"].exp() * (exact["rows"] - rows)).sum(-1).mean())
        row["top1"] = float((exact["rows"].argmax(-1) == rows.argmax(-1)).float().mean())
    return row, rows


say({"versions": {name: version(name) for name in
                  ("transformers", "torch", "kvpress", "optimum-quanto", "hqq")}, "dtype": "float32"})
for line in sys.stdin:
    request = json.loads(line)
    row, rows = play(request, {}, None)
    played = {"full": row}
    for name, setting in request["settings"].items():
        played[name], _ = play(request, setting, {"answer": row["answer"], "rows": rows})
    say({"rows": played, "fullBytes": row["bytes"],
         "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss})
