#!/usr/bin/env bash
# Builds, verifies and measures @qpkv/cuda on a machine with a GPU: NVIDIA driver 580 or later, CUDA toolkit 13 with nvcc, g++ and
# Python; nothing is downloaded. Unpack what `pnpm cuda:bundle` makes and start this file in it:
#
#   ./on-device.sh [--dry-run] [--out result.json] [--only STEP,STEP] [--limit SECONDS]
#
# Everything lands in one JSON file, written anew after each step, so that nothing is lost when a step hangs or the machine goes.
# With --only the other steps' results stay in it; --limit is what one program of a step may take (1800).
# --dry-run runs nothing and says what each step would start and what it lacks here. Exit status: 0 when no step failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ ! -x ./node ] || [ ! -f run.js ]; then
  echo "This is no unpacked bundle: node and run.js stand beside this file in one. Make it with: pnpm cuda:bundle" >&2
  exit 2
fi
exec ./node run.js "$@"
