/** The memory that this process may really use: what is free on the machine, within the limits of its container. */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";

/** Where Linux tells a container's limit and use, by version 2 of control groups and by version 1. */
const LIMITS = [
  ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"],
  ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"],
] as const;

/** Bytes that can be taken now. */
export function availableMemory(): number {
  return Math.max(0, Math.min(freemem(), freeInContainer()));
}

function freeInContainer(): number {
  for (const [limitFile, useFile] of LIMITS) {
    const limit = Number.parseInt(readText(limitFile), 10);
    const used = Number.parseInt(readText(useFile), 10);
    if (limit > 0 && limit < totalmem() && used >= 0) return limit - (used - fileCache(useFile));
  }
  // 0 or absurdly large where there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit - process.memoryUsage.rss() : Number.POSITIVE_INFINITY;
}

/** Bytes of file cache that a container would give back. */
function fileCache(useFile: string): number {
  const stat = readText(useFile.replace(/[^/]+$/, "memory.stat"));
  return Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
