/**
 * Installs the packed package where every host but the registry is out of reach, on several versions of Node.js, and does
 * there what a new user would do: `npx tsx tests/install/run.ts [MAJOR…]`, by default 20, 22 and 24. Wants Linux and
 * `unshare`; EVOKE_TARBALL names a package that is packed already.
 */
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { codeBlocks } from "../../tools/docs/code-blocks.js";
import { deadLinks } from "../../tools/docs/links.js";
import { startProxy } from "./proxy.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HERE = join(ROOT, "tests", "install");
const PORT = 8899;
/** npm as it is shipped with each version of Node.js. */
const NPM: Readonly<Record<string, string>> = { 20: "10", 22: "10", 24: "11" };

const RECIPE = "model: bundled:mini\nmode: rt\ndata:\n  path: rows.jsonl\nmax_steps: 4\nout: runs/first\n";
const TSCONFIG = {
  compilerOptions: {
    ...{ target: "ES2022", module: "NodeNext", lib: ["ES2023"], types: ["node"], strict: true, skipLibCheck: false },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  },
  include: ["*.ts"],
};

const registry = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
const work = mkdtempSync(join(tmpdir(), "evoke-install-"));
let failed = 0;
const socket = join(work, "proxy.sock");
const proxy = await startProxy(socket, new URL(registry).hostname);
try {
  const tarball = resolve(process.env.EVOKE_TARBALL ?? pack());
  const programs = writePrograms();
  const majors = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(NPM);
  for (const major of majors) {
    const status = await tryOn(major, tarball, programs);
    console.log(`Node ${major}: ${status === 0 ? "passed" : "FAILED"}`);
    if (status !== 0) failed++;
  }
  // Installing, training, asking and serving a model that is at hand concern nobody else.
  if (proxy.refused.size > 0) failed++;
  console.log(
    `hosts asked for and refused: ${[...proxy.refused].map(([host, n]) => `${host} ×${n}`).join(", ") || "none"}`,
  );
} finally {
  proxy.close();
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

function pack(): string {
  execFileSync("npm", ["pack", "--pack-destination", work], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  const { name, version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, string>;
  return join(work, `${name}-${version}.tgz`);
}

/** The library guide's programs, with the files that they read. */
function writePrograms(): string {
  const folder = join(work, "programs");
  mkdirSync(folder);
  const guide = readFileSync(join(ROOT, "docs", "guides", "library.md"), "utf8");
  const programs = codeBlocks(guide).filter(({ language }) => language === "ts");
  for (const [index, { text }] of programs.entries()) writeFileSync(join(folder, `program-${index + 1}.ts`), text);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
  writeFileSync(join(folder, "recipe.yaml"), RECIPE);
  copyFileSync(join(ROOT, "examples", "data", "mini-train.jsonl"), join(folder, "rows.jsonl"));
  copyFileSync(join(ROOT, "examples", "data", "mini-heldout.jsonl"), join(folder, "heldout.jsonl"));
  return folder;
}

/** @returns exit status of all that a user does on this version of Node.js. */
async function tryOn(major: string, tarball: string, programs: string): Promise<number> {
  const tools = join(work, `node-${major}`);
  const platform = `node-${process.platform}-${process.arch}`;
  mkdirSync(tools);
  const wanted = [`${platform}@${major}`, `npm@${NPM[major] ?? "latest"}`];
  execFileSync("npm", ["install", "--prefix", tools, "--ignore-scripts", "--no-audit", "--no-fund", ...wanted], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const bin = join(tools, "node_modules", platform, "bin");
  if (!existsSync(join(bin, "node"))) throw new Error(`no Node.js ${major} for ${platform}`);
  const folder = join(work, `user-${major}`);
  const home = join(work, `home-${major}`);
  mkdirSync(folder);
  mkdirSync(home);
  const address = `http://127.0.0.1:${PORT}`;
  const env = {
    ...{ HOME: home, PATH: [bin, "/usr/local/bin", "/usr/bin", "/bin", "/sbin"].join(delimiter) },
    ...{ npm_config_registry: registry, npm_config_fetch_retries: "0", http_proxy: address, https_proxy: address },
    ...{ HTTP_PROXY: address, HTTPS_PROXY: address, GLOBAL_AGENT_HTTPS_PROXY: address },
    // Where a company's own certificates are needed to reach the registry.
    ...(process.env.NODE_EXTRA_CA_CERTS ? { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS } : {}),
  };
  const npm = join(tools, "node_modules", "npm", "bin", "npm-cli.js");
  const steps = ["bash", join(HERE, "inside.sh"), tarball, programs, npm];
  const setup = `ip link set lo up; exec "$0" "$@"`;
  const bridge = [join(bin, "node"), join(HERE, "bridge.mjs"), socket, String(PORT), ...steps];
  // A namespace of its own has no network but its loopback.
  const child = spawn("unshare", ["-rn", "sh", "-c", setup, ...bridge], { cwd: folder, env, stdio: "inherit" });
  const status = await new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
  const dead = deadLinks(join(folder, "node_modules", "evoke"));
  console.log(`links of the package's Markdown files that lead nowhere: ${dead.join(", ") || "none"}`);
  return dead.length ? 1 : status;
}
