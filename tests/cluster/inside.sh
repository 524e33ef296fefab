#!/usr/bin/env bash
# The tests themselves, for run.sh; in a namespace of its own it also looks whether they left processes behind.
set -u
"$EVOKE_CLUSTER_PYTHON" tests/cluster/quiet_test.py || exit
npx vitest run --project cluster --no-file-parallelism "$@"
code=$?
if [ $$ = 1 ]; then
  # Without this shell, its own pipe and what has ended.
  left=$(ps -eo pid,stat,args | awk 'NR > 1 && $1 != 1 && $2 !~ /^Z/ && !/ps -eo pid|awk NR|cluster\/inside.sh/')
  if [ -n "$left" ]; then
    printf 'left behind:\n%s\n' "$left" >&2
    exit 1
  fi
fi
exit $code
