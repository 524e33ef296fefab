// Bundles the playground into dist/playground: the page, and the engine in a worker. ONNX Runtime's files are not among them.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const platform = (name) => here(`platform/${name}.ts`);

/** What the engine has of Node.js, and the parts of evoke that a tab has no use for, by the tab's own. */
const NODE = {
  "node:fs": "fs",
  "node:path": "path",
  "node:crypto": "crypto",
  "node:os": "os",
};
const HOUSE = {
  "src/runtime/onnxruntime": "onnxruntime",
  "src/generate/solo/solo-decoder": "absent",
  "src/tokenizer/time-limit": "time-limit",
  "src/hub/resolve-model": "absent",
  "src/hub/resolve-adapter": "absent",
  "src/hub/content-identity": "absent",
};

/** @param missing told what of Node.js the engine reaches that a tab has not: it fails where it is used. */
const tab = (missing) => ({
  name: "tab",
  setup(plugin) {
    plugin.onResolve({ filter: /^node:/ }, ({ path, importer }) => {
      if (NODE[path]) return { path: platform(NODE[path]) };
      missing.push(`${importer} needs ${path}`);
      return { path, namespace: "missing" };
    });
    plugin.onLoad({ filter: /.*/, namespace: "missing" }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get(_, name) {
        if (name === "__esModule" || name === "default") return undefined;
        throw new Error(${JSON.stringify(`${path} is not in a browser: `)} + String(name));
      } });`,
    }));
    plugin.onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir, kind }) => {
      if (kind === "entry-point") return undefined;
      const full = fileURLToPath(new URL(path.replace(/\.js$/, ""), `file://${resolveDir}/`));
      const found = Object.keys(HOUSE).find((name) => full.endsWith(`/${name}`));
      return found && !resolveDir.includes("/playground") ? { path: platform(HOUSE[found]) } : undefined;
    });
  },
});

/** @returns what of Node.js is missing in a tab; nothing, as a test holds. */
export async function buildPlayground(out) {
  const missing = [];
  mkdirSync(out, { recursive: true });
  const common = {
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    legalComments: "inline",
    logLevel: "warning",
  };
  await build({
    ...common,
    entryPoints: { engine: here("engine/main.ts") },
    plugins: [tab(missing)],
    inject: [platform("globals")],
    external: ["onnxruntime-web"],
  });
  await build({
    ...common,
    entryPoints: { playground: here("page/main.tsx") },
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  copyFileSync(here("index.html"), `${out}index.html`);
  copyFileSync(here("../icon.svg"), `${out}icon.svg`);
  const rows = readFileSync(here("../../examples/data/mini-train.jsonl"), "utf8").split("\n").slice(0, 96);
  writeFileSync(`${out}rows.jsonl`, `${rows.join("\n")}\n`);
  for (const line of missing) console.warn(`playground: ${line}, which a tab has not`);
  return missing;
}
