#!/usr/bin/env bash
# RULER as QPruningKV's scripts run it (11 tasks, 64 new tokens, raw prompts):
#   method=PyramidKV max_capacity_prompts=512 model_path=models/Meta-Llama-3-8B-Instruct data=data/RULER \
#     bash examples/scripts/ruler.sh
# Without data samples are made of this project's own words, which is no RULER score.
set -euo pipefail
source "$(dirname "$0")/spec.sh"

data=${data:-}                                     # LENGTH/TASK.jsonl, such as the original's data/RULER
save_dir=${save_dir:-results_ruler}
context_lengths=${context_lengths:-4096}           # the original has this one hard-coded
max_num_examples=${max_num_examples:-500}
tasks=${tasks:-niah_single_1,niah_single_2,niah_single_3,niah_multikey_1,niah_multikey_2,niah_multikey_3,niah_multiquery,niah_multivalue,cwe,fwe,vt}

make_spec
$qpkv bench ruler --model "$model_path" --profile qpruningkv --tasks "$tasks" --length "$context_lengths" \
  --samples "$max_num_examples" ${data:+--data "$data"} --spec "$spec" \
  --out "$save_dir/$(result_name ruler "$data" "$tasks" "$context_lengths" "$max_num_examples" "$max_prompt_tokens" "$@").jsonl" \
  ${max_prompt_tokens:+--max-prompt-tokens "$max_prompt_tokens"} "$@"
