// Bundles the studio's pages into dist/web: one script, one style sheet, no file from elsewhere.
import { copyFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildPlayground } from "./playground/build.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here("../dist/web/");
mkdirSync(out, { recursive: true });
await build({
  entryPoints: { studio: here("src/main.tsx") },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) copyFileSync(here(name), out + name);
await buildPlayground(here("../dist/playground/"));
