import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { EvaluationSummary, Figure } from "../../../src/serve/studio/wire.js";
import { measured } from "../format.js";
import { catalogue } from "../live.js";
import { Scroll } from "../parts/scroll.js";
import { href, place } from "../router.js";

/** Evaluations ticked or unticked by hand. */
const chosen = signal<Readonly<Record<string, boolean>>>({});
const SHOWN = 6;

/** Suites as rows, evaluations as columns. */
export function EvaluationsPage() {
  const { evaluations, samples } = catalogue.value!;
  const wanted = place.value.query.get("show");
  useEffect(() => {
    if (wanted !== null) chosen.value = Object.fromEntries(evaluations.map(({ id }) => [id, id === wanted]));
  }, [wanted]);
  const shown = evaluations.filter(({ id }, i) => chosen.value[id] ?? i < SHOWN);
  return (
    <>
      <h1>Evaluations</h1>
      {evaluations.length === 0 ? (
        <section class="card hollow">
          <p>
            No results here yet. <code>evoke eval SUITE --model MODEL --out RUNS/NAME</code> makes some.
          </p>
        </section>
      ) : (
        <>
          <fieldset class="chips">
            <legend class="hidden">Shown evaluations</legend>
            {evaluations.map(({ id, model }) => (
              <label key={id} title={model}>
                <input
                  type="checkbox"
                  checked={shown.some((each) => each.id === id)}
                  onChange={(event) => (chosen.value = { ...chosen.value, [id]: event.currentTarget.checked })}
                />
                <span>{id}</span>
              </label>
            ))}
          </fieldset>
          <Scroll label="Results">
            <ResultTable shown={shown} samples={new Set(samples.map(({ id }) => id))} />
          </Scroll>
          <p class="soft small">
            ± is one standard error. A row's best figure is marked where more is better for certain: shares of right
            answers.
          </p>
        </>
      )}
    </>
  );
}

interface Row {
  suite: string;
  metric: string;
  figures: (Figure | undefined)[];
}

function ResultTable({ shown, samples }: { shown: readonly EvaluationSummary[]; samples: ReadonlySet<string> }) {
  const rows = tableRows(shown);
  return (
    <table class="results">
      <thead>
        <tr>
          <th scope="col">suite</th>
          <th scope="col">figure</th>
          {shown.map(({ id, model }) => (
            <th scope="col" key={id} title={model}>
              {id}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ suite, metric, figures }, i) => {
          const best = /^(acc|acc_norm|exact_match.*)$/.test(metric)
            ? Math.max(...figures.map((each) => each?.value ?? Number.NEGATIVE_INFINITY))
            : undefined;
          const first = rows[i - 1]?.suite !== suite;
          return (
            <tr key={`${suite} ${metric}`} class={first ? "first" : undefined}>
              <th scope="row">{first ? suite : ""}</th>
              <td>{metric}</td>
              {figures.map((each, column) => {
                const { id } = shown[column]!;
                const file = `${id === "." ? "" : `${id}/`}samples/${suite}.jsonl`;
                const marked = shown.length > 1 && best !== undefined && each?.value === best;
                const { value, error } = measured(each?.value ?? null, each?.stderr ?? null);
                return (
                  <td key={id} class={marked ? "best" : undefined}>
                    {each && first && samples.has(file) ? <a href={href("samples", file)}>{value}</a> : value}
                    {error && <span class="soft"> ± {error}</span>}
                  </td>
                );
              })}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function tableRows(shown: readonly EvaluationSummary[]): Row[] {
  const keys = new Map<string, { suite: string; metric: string }>();
  for (const { suites } of shown)
    for (const { name, metrics } of suites)
      for (const metric of Object.keys(metrics)) keys.set(`${name}\n${metric}`, { suite: name, metric });
  const order = [...new Set([...keys.values()].map(({ suite }) => suite))];
  return [...keys.values()]
    .sort((a, b) => order.indexOf(a.suite) - order.indexOf(b.suite))
    .map(({ suite, metric }) => ({
      suite,
      metric,
      figures: shown.map(({ suites }) => suites.find(({ name }) => name === suite)?.metrics[metric]),
    }));
}
