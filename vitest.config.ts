import { defineConfig } from "vitest/config";

// Tests wait for events; these are bounds for what hangs, with room for a machine that is busy with other things.
const shared = {
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 200_000 } },
  pool: "forks" as const,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: "unit", include: ["src/**/*.test.ts", "tools/**/*.test.ts"] } },
      // Black-box tests run the built program, so they build it first.
      {
        test: {
          ...shared,
          name: "program",
          include: ["tests/**/*.test.ts"],
          exclude: [
            "tests/slow/**",
            "tests/cluster/**",
            "tests/exports/**",
            "tests/servers/partners/**",
            "tests/originals/**",
          ],
          globalSetup: ["tests/build.ts"],
        },
      },
      // Needs Ray: tests/cluster/run.sh.
      {
        test: {
          ...shared,
          testTimeout: 900_000,
          hookTimeout: 300_000,
          name: "cluster",
          include: ["tests/cluster/**/*.test.ts"],
          globalSetup: ["tests/build.ts"],
        },
      },
      // Needs other programs: tests/exports/run.sh.
      { test: { ...shared, testTimeout: 900_000, name: "exports", include: ["tests/exports/**/*.test.ts"] } },
      // Needs vLLM: tests/servers/run.sh.
      {
        test: {
          ...shared,
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          name: "servers",
          include: ["tests/servers/partners/**/*.test.ts"],
          globalSetup: ["tests/build.ts"],
        },
      },
      // Needs the original tools: tests/originals/README.md.
      { test: { ...shared, name: "originals", include: ["tests/originals/**/*.test.ts"] } },
      // Minutes each: kills and resumes, a GPU in software, real models. `npm run test:slow`, and continuous integration.
      { test: { ...shared, name: "slow", include: ["tests/slow/**/*.test.ts"], globalSetup: ["tests/build.ts"] } },
    ],
  },
});
