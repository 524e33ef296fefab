/** What `evoke doctor` looks at; each check tells what it found and, where something is amiss, what to do. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statfsSync } from "node:fs";
import { arch, cpus, freemem, platform, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { evokeCache } from "../files/evoke-cache.js";
import { hubSettings } from "../hub/hub-api.js";
import { resolveModel } from "../hub/resolve-model.js";
import { Device, type DeviceName } from "../runtime/device.js";
import { runtimeVersion, supportedDevices } from "../runtime/onnxruntime.js";

export interface Finding {
  name: string;
  /** warn: evoke works, with less; fail: it does not. */
  status: "ok" | "warn" | "fail";
  /** Facts, never a secret. */
  found: string;
  advice?: string;
}

export interface DoctorOptions {
  /** Folder of local data, as `--data-dir`. */
  dataDir?: string;
  /** Ask nothing of the network. */
  offline: boolean;
  fetch?: typeof fetch;
}

const GB = 1e9;
/** Enough to tune the smallest real model. */
const LEAST_MEMORY = 3 * GB;
const LEAST_DISK = 5 * GB;
const NETWORK_MS = 5_000;

/** All findings, in the order in which a person would look. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const findings = [evokeVersion(), runtime(), processor(), memory(), disk()];
  findings.push(...(await devices()), await bundledModel(), localData(options));
  findings.push(...(await Promise.all([hub(options), pip()])), access());
  return findings;
}

function packageFile(): { version: string; engines: { node: string } } {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
}

function evokeVersion(): Finding {
  const found = `${packageFile().version}, ONNX Runtime ${runtimeVersion()}`;
  return { name: "evoke", status: "ok", found };
}

function runtime(): Finding {
  const wanted = packageFile().engines.node.replace(/^\D+/, "");
  const found = `Node ${process.versions.node} on ${platform()} ${release()} ${arch()}`;
  if (!olderThan(process.versions.node, wanted)) return { name: "runtime", status: "ok", found };
  return { name: "runtime", status: "fail", found, advice: `install Node ${wanted} or later` };
}

/** Compares dotted version numbers. */
function olderThan(version: string, wanted: string): boolean {
  return version.localeCompare(wanted, "en", { numeric: true }) < 0;
}

function processor(): Finding {
  const all = cpus();
  return { name: "processor", status: "ok", found: `${all.length} × ${all[0]?.model.trim() || "unknown"}` };
}

function memory(): Finding {
  // A container may allow less than the machine has.
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const free = Math.min(total, freemem());
  const found = `${gigabytes(free)} free of ${gigabytes(total)}`;
  if (free >= LEAST_MEMORY) return { name: "memory", status: "ok", found };
  const advice = "close other programs, or set memory.budget_gb and a small batch.micro in the recipe";
  return { name: "memory", status: "warn", found, advice };
}

function disk(): Finding {
  const folder = evokeCache();
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    const found = `${folder}, ${gigabytes(bavail * bsize)} free`;
    if (bavail * bsize >= LEAST_DISK) return { name: "cache", status: "ok", found };
    return { name: "cache", status: "warn", found, advice: "free some space, or point EVOKE_CACHE to a larger disk" };
  } catch (error) {
    const found = `${folder} cannot be written (${(error as Error).message.split("\n")[0]})`;
    return { name: "cache", status: "fail", found, advice: "point EVOKE_CACHE to a folder of yours" };
  }
}

const ADVICE: Record<DeviceName, string> = {
  cpu: "reinstall evoke for this platform",
  webgpu: "fine without a graphics card; with one, update its driver",
  cuda: "fine without an NVIDIA card; with one, install CUDA 12 and, beside evoke, onnxruntime-node of the same version",
};

async function devices(): Promise<Finding[]> {
  const findings: Finding[] = [];
  const offered = supportedDevices();
  for (const device of ["cpu", "webgpu", "cuda"] satisfies DeviceName[]) {
    const name = `device ${device}`;
    if (!offered.includes(device)) {
      findings.push({ name, status: "ok", found: "not part of this build of ONNX Runtime" });
      continue;
    }
    try {
      await Device.open({ device });
      // ONNX Runtime does not tell which adapter it took.
      const found = device === "webgpu" ? "works, on a GPU or in software; --device webgpu trains there" : "works";
      findings.push({ name, status: "ok", found });
    } catch (error) {
      const reason = /Failed to [^;)]*/.exec((error as Error).message)?.[0];
      const found = `does not work here${reason === undefined ? "" : ` (${reason})`}`;
      findings.push({ name, status: device === "cpu" ? "fail" : "warn", found, advice: ADVICE[device] });
    }
  }
  return findings;
}

async function bundledModel(): Promise<Finding> {
  const name = "bundled model";
  try {
    const path = await resolveModel("bundled:mini");
    if (existsSync(`${path}/model.safetensors`)) return { name, status: "ok", found: path };
    return { name, status: "warn", found: `${path} has no weights`, advice: "reinstall evoke" };
  } catch (error) {
    return { name, status: "warn", found: (error as Error).message, advice: "reinstall evoke" };
  }
}

function localData({ dataDir }: DoctorOptions): Finding {
  const name = "local data";
  if (!dataDir) return { name, status: "ok", found: "none named; data comes from the network" };
  if (existsSync(dataDir)) return { name, status: "ok", found: dataDir };
  return { name, status: "fail", found: `${dataDir} does not exist`, advice: "correct --data-dir or EVOKE_DATA" };
}

async function hub({ offline, fetch: get = fetch }: DoctorOptions): Promise<Finding> {
  const name = "Hugging Face Hub";
  const { endpoint, offline: switchedOff } = hubSettings();
  // A mirror's address may hold a password.
  const shown = URL.canParse(endpoint) ? new URL(endpoint).host : "HF_ENDPOINT is not a URL";
  if (offline) return { name, status: "ok", found: `${shown} (not asked)` };
  if (switchedOff) return { name, status: "ok", found: "switched off by HF_HUB_OFFLINE; cached models only" };
  const advice = "use local folders, pip: or bundled: models, or set HF_ENDPOINT to a mirror";
  try {
    const response = await get(`${endpoint}/api/models?limit=1`, { signal: AbortSignal.timeout(NETWORK_MS) });
    await response.body?.cancel();
    if (response.ok) return { name, status: "ok", found: `${shown} answers` };
    return { name, status: "warn", found: `${shown} answers with HTTP ${response.status}`, advice };
  } catch {
    return { name, status: "warn", found: `${shown} cannot be reached`, advice };
  }
}

async function pip(): Promise<Finding> {
  for (const python of ["python3", "python"]) {
    try {
      const { stdout } = await promisify(execFile)(python, ["-m", "pip", "--version"], { timeout: 2 * NETWORK_MS });
      return { name: "pip", status: "ok", found: stdout.split(" ").slice(0, 2).join(" ") };
    } catch {
      // The next name may be there.
    }
  }
  const advice = "only pip: models need it; install Python with pip to use them";
  return { name: "pip", status: "warn", found: "not found", advice };
}

function access(): Finding {
  const set = (name: string, value: unknown): string => `${name} ${value ? "set" : "not set"}`;
  const found = [
    set("Hugging Face token", hubSettings().token),
    set("OPENAI_API_KEY", process.env.OPENAI_API_KEY),
    set("EVOKE_TOKEN", process.env.EVOKE_TOKEN),
  ];
  return { name: "access", status: "ok", found: found.join(", ") };
}

function gigabytes(bytes: number): string {
  return `${(bytes / GB).toFixed(1)} GB`;
}
