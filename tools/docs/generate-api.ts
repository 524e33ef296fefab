/** Writes docs/api.md from the public declarations: `npm run docs:api`. */
import { writeFileAtomically } from "../../src/files/atomic-write.js";
import { apiReport } from "./api-report.js";

const { markdown, faults } = apiReport();
writeFileAtomically("docs/api.md", markdown);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;
