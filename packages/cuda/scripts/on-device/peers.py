"""PyTorch's attention on the same card and shapes, as JSON lines; says so where PyTorch or a backend is not there."""

import json
import sys

try:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
except ImportError as cause:
    print(json.dumps({"peer": "torch", "missing": str(cause)}))
    sys.exit(0)

import torch.nn.functional as F

HEADS, GROUP, DIM = 8, 4, 128


def seconds(run):
    """The median of seven rounds of twenty calls."""
    for _ in range(3):
        run()
    times = []
    for _ in range(7):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(20):
            run()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e-3 / 20)
    return sorted(times)[3]


def measure(kind, backend, rows, tokens, batch, causal):
    q = torch.randn(batch, HEADS * GROUP, rows, DIM, device="cuda", dtype=torch.bfloat16)
    k, v = (torch.randn(batch, HEADS, tokens, DIM, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    record = {"peer": "torch", "op": kind, "backend": backend.name, "tokens": tokens, "batch": batch}
    try:
        with sdpa_kernel(backend):
            record["seconds"] = seconds(
                lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)
            )
    except (RuntimeError, TypeError) as cause:
        record["refused"] = str(cause).splitlines()[0]
    print(json.dumps(record), flush=True)


print(json.dumps({"peer": "torch", "version": torch.__version__, "cuda": torch.version.cuda}))
for tokens in (32768, 65536, 131072):
    for batch in (1, 8):
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION):
            measure("decode", backend, 1, tokens, batch, False)
for tokens in (8192, 32768):
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        measure("prefill", backend, tokens, tokens, 1, True)
