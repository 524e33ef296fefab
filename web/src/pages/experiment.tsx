import type { ExperimentDetail } from "../../../src/serve/studio/wire.js";
import { get } from "../api.js";
import { seconds } from "../format.js";
import { catalogue } from "../live.js";
import { Scroll } from "../parts/scroll.js";
import { State } from "../parts/state.js";
import { StepGraph, stepHref } from "../parts/step-graph.js";
import { useLoad } from "../parts/use-load.js";
import { href } from "../router.js";

export function ExperimentPage({ id }: { id: string }) {
  const summary = catalogue.value!.experiments.find((each) => each.id === id);
  // Loaded again whenever the counts change.
  const { value, error } = useLoad<ExperimentDetail>(
    (abort) => get("/api/experiment", { id }, abort),
    [id, JSON.stringify(summary)],
  );
  return (
    <>
      <p class="crumbs">
        <a href={href("experiments")}>Experiments</a>
      </p>
      <div class="head">
        <h1>{value?.name ?? id}</h1>
        {value?.report && (
          <a class="button primary" href={href("report", id)}>
            Report
          </a>
        )}
      </div>
      {error && <p class="notice bad">{error}</p>}
      {value && (
        <>
          <p class="soft">
            {value.done} of {value.total} steps done
            {value.running > 0 && `, ${value.running} running`}
            {value.failed > 0 && `, ${value.failed} failed or blocked`}
          </p>
          <Scroll label="Step graph">
            <StepGraph steps={value.steps} />
          </Scroll>
          <Scroll label="Steps">
            <h2>Steps</h2>
            <table class="steps">
              <thead>
                <tr>
                  <th scope="col">step</th>
                  <th scope="col">kind</th>
                  <th scope="col">state</th>
                  <th scope="col">time</th>
                  <th scope="col">needs</th>
                </tr>
              </thead>
              <tbody>
                {value.steps.map((step) => (
                  <tr key={step.id}>
                    <th scope="row">
                      {step.link ? <a href={stepHref(step)}>{step.title}</a> : step.title}
                      {step.error && <span class="error">{step.error}</span>}
                    </th>
                    <td>{step.kind}</td>
                    <td>
                      <State state={step.status} />
                    </td>
                    <td>{step.seconds === undefined ? "" : seconds(step.seconds)}</td>
                    <td class="soft">{step.needs.join(", ")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </>
      )}
    </>
  );
}
