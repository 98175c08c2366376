#!/usr/bin/env bash
# LongBench as QPruningKV's scripts run it:
#   method=SnapKV max_capacity_prompts=128 quant_method=kivi nbits=4 model_path=models/Meta-Llama-3-8B-Instruct \
#     data=qpkv-data/longbench bash examples/scripts/longbench.sh
# Without data it runs on stand-in rows, which checks the pipeline and is no benchmark score.
set -euo pipefail
source "$(dirname "$0")/spec.sh"

data=${data:-}                                     # data.zip or its folder: qpkv pull longbench
save_dir=${save_dir:-results_long_bench}
max_num_examples=${max_num_examples:-}             # first rows per dataset
datasets=${datasets:-narrativeqa,qasper,multifieldqa_en,hotpotqa,2wikimqa,musique,gov_report,qmsum,multi_news,trec,triviaqa,samsum,passage_count,passage_retrieval_en,lcc,repobench-p}

make_spec
if [ -n "$data" ]; then source=(--data "$data"); else source=(--stand-ins); fi
$qpkv bench longbench --model "$model_path" --profile qpruningkv --datasets "$datasets" "${source[@]}" \
  --spec "$spec" --out "$save_dir/$(result_name longbench "$data" "$datasets" "$max_num_examples" "$max_prompt_tokens" "$@").jsonl" \
  ${max_prompt_tokens:+--max-prompt-tokens "$max_prompt_tokens"} ${max_num_examples:+--rows "$max_num_examples"} "$@"
