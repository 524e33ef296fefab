import type { Command } from "commander";

/** One line per command. `load` imports the command's file only when it is used, so that `evoke --help` stays fast. */
export interface CommandEntry {
  name: string;
  summary: string;
  group: "Train" | "Use a model" | "Data" | "Evaluate" | "Experiments" | "Tools";
  load: () => Promise<() => Command>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "model",
    summary: "fetch a model, or show what it holds",
    group: "Use a model",
    load: async () => (await import("./model.js")).modelCommand,
  },
  {
    name: "schema",
    summary: "print the JSON Schema of recipe or experiment files",
    group: "Tools",
    load: async () => (await import("./schema.js")).schemaCommand,
  },
];
