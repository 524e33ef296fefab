import { Command } from "commander";
import type { Finding } from "./doctor-checks.js";
import { globalOptions, printJson, useColour } from "./output.js";

/** `evoke doctor`: whether this machine can run evoke, and what would help. Exit 1 when something must be mended. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check this machine: versions, devices, memory, and where models and data can come from.")
    .option("--offline", "ask nothing of the network", false)
    .action(async ({ offline }: { offline: boolean }, command: Command) => {
      const { json, dataDir } = globalOptions(command);
      const { examine } = await import("./doctor-checks.js");
      const findings = await examine({ offline, dataDir });
      const ok = findings.every(({ status }) => status !== "fail");
      if (json) printJson({ ok, checks: findings });
      else process.stdout.write(findings.map(paragraph).join(""));
      if (!ok) process.exitCode = 1;
    });
}

const COLOUR = { ok: 32, warn: 33, fail: 31 };

function paragraph({ name, status, found, advice }: Finding): string {
  const mark = useColour(process.stdout) ? `\u001b[${COLOUR[status]}m${status.padEnd(4)}\u001b[0m` : status.padEnd(4);
  const hint = advice === undefined ? "" : `${" ".repeat(23)}${advice}\n`;
  return `${mark}  ${name.padEnd(16)} ${found}\n${hint}`;
}
