#!/usr/bin/env bash
# The needle as QPruningKV's scripts run it:
#   method=snapkv max_capacity_prompts=128 s_len=1000 e_len=8001 step=100 model_provider=LLaMA3 \
#     model_path=models/Meta-Llama-3-8B-Instruct essays=qpkv-data/needle-essays bash examples/scripts/needle.sh
# Without essays the haystack is made of the bundled model's world.
set -euo pipefail
source "$(dirname "$0")/spec.sh"

s_len=${s_len:-1000}
e_len=${e_len:-8001}
step=${step:-100}
model_provider=${model_provider:-LLaMA3}           # LLaMA3 | Mistral: decides which tokens end a sentence
model_version=${model_version:-run}                # a tag for the result folder
essays=${essays:-}                                 # qpkv pull needle-essays
save_dir=${save_dir:-results_needle}

make_spec "${profile:+$profile-needle}"
case $model_provider in
  LLaMA3) ends='[13]' ;;
  Mistral) ends='[842, 28723]' ;;
  *) echo "model_provider=$model_provider: expected LLaMA3 or Mistral" >&2; exit 2 ;;
esac
if [ "$model_path" = reference ]; then ends=null; fi
extra=
if [ -n "$essays" ]; then extra=", \"essays\": \"$essays\""; fi
out="$save_dir/${model_version}_$(result_name needle "$s_len" "$e_len" "$step" "$model_provider" "$essays")"
mkdir -p "$out"
cat > "$out/grid.json" <<GRID
{
  "title": "Needle, $model_version",
  "models": ["$model_path"],
  "tasks": [{ "bench": "needle", "options": {
    "form": "story-book", "profile": "qpruningkv", "order": "listed", "sentenceEnds": $ends,
    "from": $s_len, "to": $e_len, "step": $step, "depths": 10$extra } }],
  "specs": ["$spec"]
}
GRID
$qpkv sweep "$out/grid.json" --out "$out" "$@"
