import { SUITE_NAMES } from "../eval/run-suites.js";
import type { LoadedExperiment } from "../recipe/experiment-load.js";
import type { Experiment } from "../recipe/experiment-schema.js";
import { suggestName } from "../recipe/experiment-sweep.js";
import { METRICS, styleOf } from "../report/experiment/figures.js";

/**
 * Checks that published figures can stand beside measured ones: arms and metrics that there are, values that such a metric can have.
 *
 * @param fail ends with a message about the entry at a path.
 */
export function checkPublished({ published, arms, evaluations }: Experiment, fail: LoadedExperiment["fail"]): void {
  for (const [i, { arms: figures }] of published.entries())
    for (const [arm, values] of Object.entries(figures)) {
      const at = ["published", i, "arms", arm];
      if (!Object.hasOwn(arms, arm))
        fail(at, `published.${i}.arms: no such arm as "${arm}"; ${suggestName(arm, Object.keys(arms))}`);
      for (const [name, value] of Object.entries(values)) {
        const [, evaluation, suite, metric] = /^(?:([^/]+)\/)?([^.]+)\.(.+)$/.exec(name) ?? [];
        const where = `published.${i}.arms.${arm}.${name}`;
        const wrong = (message: string): never => fail([...at, name], `${where}: ${message}`);
        if (suite === undefined || metric === undefined) wrong("expected SUITE.METRIC or EVALUATION/SUITE.METRIC");
        if (evaluation !== undefined && !Object.hasOwn(evaluations, evaluation))
          wrong(`no such evaluation as "${evaluation}"; ${suggestName(evaluation, Object.keys(evaluations))}`);
        if (!SUITE_NAMES.some((known) => suite === known || suite!.startsWith(`${known}_`)))
          wrong(`no such suite as "${suite}"; ${suggestName(suite!, SUITE_NAMES)}`);
        if (!METRICS.includes(metric!)) wrong(`no such metric as "${metric}"; ${suggestName(metric!, METRICS)}`);
        const { unit, scale } = styleOf(metric!);
        const most = unit === "percent" ? 100 / scale : Number.POSITIVE_INFINITY;
        if (unit === "percent" && value !== null && (value < 0 || value > most))
          wrong(`${value} is outside of 0 to ${most}, the units of ${metric}`);
      }
    }
}
