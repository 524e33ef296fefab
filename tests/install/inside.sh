#!/usr/bin/env bash
# What a new user does, in an empty folder: install the package, compile and run the guide's programs, the quickstart.
# inside.sh TARBALL PROGRAMS NPM: folder of programs, path of npm's own program
set -eu
tarball=$1 programs=$2 npm=$3
ip link set lo up 2>/dev/null || true
echo "node $(node --version), npm $(node "$npm" --version)"
node "$npm" install "$tarball" --no-audit --no-fund --loglevel=error
echo "installed: $(du -s --apparent-size --block-size=1M node_modules | cut -f1) MB in $(ls node_modules | wc -l) packages"
node "$npm" install --save-dev typescript@5.9.3 @types/node@20 --no-audit --no-fund --loglevel=error
node "$npm" pkg set type=module >/dev/null
cp -r "$programs"/. .
node node_modules/typescript/bin/tsc -p .
echo "programs compile: strict, skipLibCheck false, exactOptionalPropertyTypes"
for program in program-*.js; do
  node "$program" >"$program.out" 2>&1 || { cat "$program.out"; echo "FAILED: $program"; exit 1; }
  echo "$program: $(tail -n 1 "$program.out" | cut -c1-100)"
done
node "$npm" exec --offline -- evoke quickstart --model bundled:mini --out quickstart >quickstart.out 2>&1 ||
  { tail -n 20 quickstart.out; echo "FAILED: quickstart"; exit 1; }
test -s quickstart/report.html
echo "quickstart: $(wc -c <quickstart/report.html) bytes of report.html"
