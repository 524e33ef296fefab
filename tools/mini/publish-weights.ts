/** Copies trained mini weights into the package as bfloat16: `npm run mini:publish -- [--from DIR] [--out DIR]`. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { writeSafetensors } from "../../src/checkpoint/safetensors-write.js";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "runs/mini-base/model" },
    out: { type: "string", default: "models/mini" },
  },
});
const checkpoint = openCheckpoint(values.from);
const names = checkpoint.names();
writeSafetensors(
  join(values.out, "model.safetensors"),
  names.map((name) => ({ name, shape: checkpoint.info(name).shape, dtype: "BF16", data: () => checkpoint.read(name) })),
);
checkpoint.close();
console.log(`${values.out}: ${names.length} weights`);
