#!/usr/bin/env bash
# Trains on a real Ray cluster of this machine: installs Ray and the job's packages into an environment of their own, builds
# evoke and runs the tests of this folder. Arguments go to vitest.
#   EVOKE_CLUSTER_PYTHON  a Python that has it all already
#   EVOKE_CLUSTER_VENV    where to make the environment; default: .cache/cluster-venv
# Where Linux lets a user make namespaces, the tests see no network but loopback, and no process outlives them.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${EVOKE_CLUSTER_PYTHON:-}" ]; then
  venv=${EVOKE_CLUSTER_VENV:-.cache/cluster-venv}
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r python/ray-job/requirements.txt -r tests/cluster/requirements.txt
  # Axolotl's own schema reads exported recipes; what it trains with is not needed for that.
  "$venv/bin/pip" install --quiet --no-deps axolotl==0.19.0
  EVOKE_CLUSTER_PYTHON=$(cd "$venv/bin" && pwd)/python
fi
export EVOKE_CLUSTER_PYTHON
alone=(unshare --map-root-user --net --pid --fork --mount-proc --kill-child)
if "${alone[@]}" ip link set lo up 2>/dev/null; then
  exec "${alone[@]}" bash -c 'ip link set lo up && exec tests/cluster/inside.sh "$@"' - "$@"
fi
echo "no namespaces here: Ray listens on all of this machine's addresses while the tests run" >&2
exec tests/cluster/inside.sh "$@"
