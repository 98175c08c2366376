# Sourced by the scripts beside it: turns the variables of QPruningKV's scripts into a spec of qpkv and the way to call it.
# docs/from-qpruningkv.md explains every one of them; one that does nothing is refused.

# Variables that were set by the caller.
given=
for name in max_capacity_prompts_ratio nbits group_size quant_layers_bits quant_begin_layers quant_end_layers attn_implementation; do
  if [ -n "${!name:-}" ]; then given="$given $name"; fi
done

method=${method:-SnapKV}                           # FullKV | SnapKV | PyramidKV | H2O | StreamingLLM | LayerQuant
max_capacity_prompts=${max_capacity_prompts:-128}  # tokens kept per layer and head, the window included
max_capacity_prompts_ratio=${max_capacity_prompts_ratio:-} # share of the prompt, used when the one above is -1
quant_method=${quant_method:-}                     # empty | kivi | kvquant | layerquant
nbits=${nbits:-8}
group_size=${group_size:-64}
quant_layers_bits=${quant_layers_bits:-8}
quant_begin_layers=${quant_begin_layers:-0}
quant_end_layers=${quant_end_layers:-4}
model_path=${model_path:-reference}                # a Hugging Face folder, or reference: the bundled model
profile=${profile:-qpruningkv}                     # methods as the released code runs them; empty: the papers' methods
heads=${heads:-query}                             # query: keys and values per query head, as the original prunes them; kv: once per KV head
max_prompt_tokens=${max_prompt_tokens:-}           # the original knows limits for llama2, llama3 and mistral by the path's name

# As installed; in a checkout of the repository, its own.
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/scripts/qpkv.mjs
if command -v qpkv >/dev/null || [ ! -f "$checkout" ]; then installed=qpkv; else installed="node $checkout"; fi
qpkv=${QPKV:-$installed}

# Ends the script where a variable was set that does nothing. $1: why; the rest: names.
refuse_unused() {
  local why=$1 name
  shift
  for name in "$@"; do
    case " $given " in *" $name "*) echo "$name=${!name} does nothing $why; leave it out" >&2; exit 2 ;; esac
  done
}

# Sets $spec. $1: the profile's name for pruners of this script, where it has one of its own.
make_spec() {
  refuse_unused 'here: attention is exact in prefill and reads the packed cache in decode' attn_implementation
  [ "$max_capacity_prompts" = -1 ] || refuse_unused 'unless max_capacity_prompts is -1' max_capacity_prompts_ratio
  case $quant_method in
    '' | none) refuse_unused 'without quant_method' nbits group_size ;;
    kvquant) refuse_unused 'with quant_method=kvquant' group_size ;;
    layerquant) refuse_unused 'with quant_method=layerquant' nbits group_size ;;
  esac
  case $quant_method:$(printf %s "$method" | tr '[:upper:]' '[:lower:]') in
    layerquant:* | *:layerquant) ;;
    *) refuse_unused 'without LayerQuant' quant_layers_bits quant_begin_layers quant_end_layers ;;
  esac
  local own=${1:-$profile} range="from=$quant_begin_layers,to=$quant_end_layers,rangeBits=$quant_layers_bits"
  local pruner quantizer budget="@${max_capacity_prompts}t"
  [ "$max_capacity_prompts" = -1 ] && budget="@$(awk "BEGIN{print 100 * $max_capacity_prompts_ratio}")%"
  case $(printf %s "$method" | tr '[:upper:]' '[:lower:]') in
    fullkv | full) pruner=none budget= ;;
    snapkv) pruner="snapkv${profile:+:profile=$own}" ;;
    h2o) pruner="h2o${profile:+:profile=$own}" ;;
    streamingllm) pruner="streamingllm${profile:+:profile=$own}" ;;
    pyramidkv) pruner="pyramidkv${profile:+:profile=$profile}" ;;
    layerquant)
      # LayerQuant's capacity counts 16-bit tokens: the range gets more of them at fewer bits.
      pruner="layerquant:${profile:+profile=$profile,}$range" budget="@${max_capacity_prompts}x16" ;;
    *) echo "method=$method: expected FullKV, SnapKV, PyramidKV, H2O, StreamingLLM or LayerQuant" >&2; exit 2 ;;
  esac
  case $quant_method in
    '' | none) quantizer=none ;;
    kivi) quantizer="kivi:${profile:+profile=$profile,}bits=$nbits,group=$group_size" ;;
    kvquant) quantizer="kvquant:${profile:+profile=$profile,}bits=$nbits" ;;
    layerquant) quantizer="layerquant:${profile:+profile=$profile,}$range" ;;
    *) echo "quant_method=$quant_method: expected kivi, kvquant, layerquant or nothing" >&2; exit 2 ;;
  esac
  spec="$pruner+$quantizer$budget"
  if [ "$heads" = query ]; then spec="$spec#heads=query"; fi
}

# Where results go: everything that changes them is in the name ($1: the benchmark; the rest as a number), so that no run meets another's file.
result_name() {
  printf %s "$1_$(basename "$model_path")_$spec" | tr -c 'A-Za-z0-9._-' '_'
  printf '_%s' "$(printf '%s\n' "$@" | cksum | cut -d ' ' -f 1)"
}
