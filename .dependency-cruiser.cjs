/** Import directions of the house (docs/architecture.md). Each layer lists the layers it must not reach. */
const below = {
  errors: [], files: ["errors"], random: ["errors"], graph: ["errors", "random"], runtime: ["errors", "files", "graph"],
  quant: ["errors"], metrics: ["errors", "random"],
  // A GGUF file holds rotary frequencies where config.json names a scaling.
  checkpoint: ["quant", "files", "errors", "model/rope"],
  hub: ["files", "errors"],
  tokenizer: ["checkpoint", "files", "errors"],
  model: ["checkpoint", "graph", "quant", "runtime", "files", "random", "errors"],
};
const engine = ["model", "tokenizer", "hub", "checkpoint", "graph", "quant", "runtime", "files", "random", "errors"];
Object.assign(below, {
  export: engine,
  peft: ["export", ...engine],
  // The names of the rules stand in the schema.
  recipe: ["errors", "files", "generate/rules", ...engine],
  generate: ["peft", ...engine],
  llm: ["generate", "peft", ...engine],
  data: ["version", "metrics", "recipe", "llm", ...engine],
});
// The package's version stands in what is written.
below.version = [];
const shared = ["version", "peft", "export", "recipe", "data", "generate", "llm", "metrics", ...engine];
for (const top of ["self-instruct", "eval", "train", "serve", "cluster"]) below[top] = shared;
// The trainer writes TensorBoard events as it goes.
below.train = [...shared, "report/tensorboard", "progress"];
// The studio reads the folders that training runs leave.
below.serve = [...shared, "train/run-folder"];
// A job on a cluster fills the same run folder as the trainer.
below.cluster = [...shared, "train", "report/tensorboard"];
below.report = [...shared, "train", "eval", "self-instruct"];
// An experiment is made of everything else; its record is what the server shows.
below.experiment = [...shared, "train", "cluster", "eval", "self-instruct", "report", "progress"];
below.serve = [...below.serve, "experiment/record"];
// The library's face: everything but the command line, which is written on it.
below.api = [...below.experiment, "experiment", "serve"];

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true, dependencyTypesNot: ["type-only"] } },
    { name: "nothing-imports-cli", severity: "error", from: { pathNot: "^src/cli/" }, to: { path: "^src/cli/" } },
    ...Object.entries(below).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      severity: "error",
      from: { path: `^src/${layer}(/|\\.ts$)`, pathNot: "\\.test\\.ts$" },
      to: { path: "^src/", pathNot: [layer, ...allowed].map((name) => `^src/${name}(/|\\.ts$)`).join("|") },
    })),
  ],
  options: { doNotFollow: { path: "node_modules" }, tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, exclude: { path: "^(dist|node_modules)" } },
};
