"""One attention layer with seeded weights and inputs, as presses of kvpress see it, and what they keep of it."""
from types import SimpleNamespace

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding, apply_rotary_pos_emb


def make_layer(seed, tokens, query_heads, kv_heads, dim, hidden, std=0.5, repeated=(), layer_idx=0, layers=1):
    """repeated: pairs (to, from) of tokens whose hidden states are the same, so that their scores tie where positions do not count."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=hidden, num_attention_heads=query_heads, num_key_value_heads=kv_heads, head_dim=dim,
        num_hidden_layers=layers, intermediate_size=8, vocab_size=8, max_position_embeddings=2048,
    )
    config._attn_implementation = "sdpa"
    module = LlamaAttention(config, layer_idx=layer_idx)
    module.eval()
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=std)
    module.rotary_emb = LlamaRotaryEmbedding(config)
    hidden_states = torch.randn(1, tokens, hidden)
    for to, source in repeated:
        hidden_states[0, to] = hidden_states[0, source]
    return see_layer(module, hidden_states)


def see_layer(module, hidden_states):
    """The layer's tensors for these inputs at positions 0, 1, …"""
    tokens = hidden_states.shape[1]
    config, dim = module.config, module.head_dim
    position = module.rotary_emb(hidden_states, torch.arange(tokens)[None])
    heads = lambda x, n: x.view(1, tokens, n, dim).transpose(1, 2)
    with torch.no_grad():
        q_before = heads(module.q_proj(hidden_states), config.num_attention_heads)
        k_before = heads(module.k_proj(hidden_states), config.num_key_value_heads)
        v = heads(module.v_proj(hidden_states), config.num_key_value_heads)
        q, k = apply_rotary_pos_emb(q_before, k_before, *position)
    return SimpleNamespace(
        module=module, hidden=hidden_states, kwargs=dict(position_embeddings=position), tokens=tokens,
        query_heads=config.num_attention_heads, kv_heads=config.num_key_value_heads, dim=dim,
        q=q, k=k, v=v, q_before=q_before, k_before=k_before, wo=module.o_proj.weight, inv_freq=module.rotary_emb.inv_freq,
    )


def score_of(press, layer):
    with torch.no_grad():
        return press.score(layer.module, layer.hidden, layer.k, layer.v, None, layer.kwargs)


def kept_of(press, layer):
    """Positions per KV head: what the press gathers of the keys, or does not mask."""
    gathered = []
    original = torch.Tensor.gather

    def gather(self, dim, index, **more):
        if self.data_ptr() == layer.k.data_ptr() and self.shape == layer.k.shape:
            gathered.append(index[0, :, :, 0].tolist())
        return original(self, dim, index, **more)

    torch.Tensor.gather = gather
    layer.module.masked_key_indices = None
    try:
        with torch.no_grad():
            press.compress(layer.module, layer.hidden, layer.k, layer.v, None, layer.kwargs)
    finally:
        torch.Tensor.gather = original
    if gathered:
        return [sorted(row) for row in gathered[-1]]
    if layer.module.masked_key_indices is None:
        return [list(range(layer.tokens)) for _ in range(layer.kv_heads)]
    masked = {(int(h), int(t)) for _, h, t in zip(*(x.tolist() for x in layer.module.masked_key_indices))}
    return [[t for t in range(layer.tokens) if (h, t) not in masked] for h in range(layer.kv_heads)]
