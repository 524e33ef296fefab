#!/bin/sh
# Installs llama.cpp's and transformers.js' packages in a folder beside the repository's own and runs what was written for them
# (and, where `go` is there, for Go's templates).
#   tests/exports/run.sh FOLDER [MODEL.gguf,…]
set -e
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ -f "$folder/package.json" ] || echo '{"private": true, "type": "module"}' > "$folder/package.json"
(cd "$folder" && npm install --ignore-scripts node-llama-cpp@3.22.1 @huggingface/transformers@4)
EVOKE_TEST_EXPORTS="$folder" EVOKE_TEST_MODELS="$2" npx vitest run --project exports
