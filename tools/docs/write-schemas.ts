/** Writes docs/schemas/ from the program's own schemas: `npm run docs:schemas`. */
import { resultsJsonSchema } from "../../src/eval/results-file.js";
import { writeFileAtomically } from "../../src/files/atomic-write.js";

writeFileAtomically("docs/schemas/results.schema.json", `${JSON.stringify(resultsJsonSchema(), null, 2)}\n`);
