import { useEffect, useState } from "preact/hooks";
import type { MetricPoint, RunDetail } from "../../../src/serve/studio/wire.js";
import { get, post } from "../api.js";
import { ago, figure } from "../format.js";
import { catalogue, curves, follow } from "../live.js";
import { Chart, type Line } from "../parts/chart.js";
import { Icon } from "../parts/icon.js";
import { Progress, State } from "../parts/state.js";
import { useLoad } from "../parts/use-load.js";
import { href } from "../router.js";

export function RunPage({ id }: { id: string }) {
  const run = catalogue.value!.runs.find((each) => each.id === id);
  const points = curves.value[id] ?? [];
  const [problem, setProblem] = useState<string>();
  useEffect(() => follow([id]), [id]);
  // Its recipe and log change with its state; the curves come by themselves.
  const detail = useLoad<RunDetail>((abort) => get("/api/run", { id }, abort), [id, run?.state]);
  if (!run)
    return (
      <>
        <h1>{id}</h1>
        <p>
          There is no such run. <a href={href("runs")}>All runs</a>
        </p>
      </>
    );
  const act = (path: string): void => {
    setProblem(undefined);
    post(path, { id }).catch((error: Error) => setProblem(error.message));
  };
  const resumable = ["interrupted", "failed", "lost"].includes(run.state) && run.steps > 0;
  const report = catalogue.value!.reports.find((each) => each.id === id || id.startsWith(`${each.id}/`));
  return (
    <>
      <p class="crumbs">
        <a href={href("runs")}>Runs</a>
      </p>
      <div class="head">
        <h1>{id}</h1>
        <div class="actions">
          {run.cancellable && (
            <button type="button" class="danger" onClick={() => act("/api/cancel")}>
              <Icon name="stop" /> Cancel
            </button>
          )}
          {resumable && (
            <button type="button" onClick={() => act("/api/resume")}>
              <Icon name="play" /> Resume
            </button>
          )}
          {report && (
            <a class="button" href={href("report", report.id)}>
              Report
            </a>
          )}
          {run.usable && (
            <a class="button primary" href={href("chat", "", { model: `run:${id}` })}>
              <Icon name="chat" /> Chat
            </a>
          )}
        </div>
      </div>
      <div class="summary">
        <State state={run.state} />
        <Progress run={run} />
        <span>
          <span class="soft">loss</span> {figure(run.loss)}
        </span>
        {run.validationLoss !== undefined && (
          <span>
            <span class="soft">validation</span> {figure(run.validationLoss)}
          </span>
        )}
        <span class="soft">{[run.mode.toUpperCase(), run.method, ago(run.started)].filter(Boolean).join(" · ")}</span>
      </div>
      {run.message && <p class={`notice ${run.state === "failed" ? "bad" : ""}`}>{run.message}</p>}
      {problem && (
        <p class="notice bad" role="alert">
          {problem}
        </p>
      )}
      <div class="charts">
        <section class="card">
          <Chart title="Loss" unit="nats per token" lines={lossLines(points)} keyed />
        </section>
        <section class="card">
          <Chart title="Gradient norm" lines={[line("gradient norm", "--curve-2", points, "grad_norm")]} />
        </section>
        <section class="card">
          <Chart title="Learning rate" lines={[line("learning rate", "--curve-3", points, "lr")]} />
        </section>
        <section class="card">
          <Chart title="Speed" unit="tokens/s" lines={[line("tokens/s", "--curve-4", points, "tokens_per_s")]} />
        </section>
      </div>
      {detail.value && <Facts detail={detail.value} />}
    </>
  );
}

function Facts({ detail }: { detail: RunDetail }) {
  return (
    <>
      {detail.facts.length > 0 && (
        <section class="card">
          <h2>What it is</h2>
          <dl class="facts">
            {detail.facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {detail.log.length > 0 && (
        <details class="card">
          <summary>Log</summary>
          <pre>{detail.log.join("\n")}</pre>
        </details>
      )}
      {detail.recipe !== "" && (
        <details class="card">
          <summary>Recipe, with all defaults</summary>
          <pre>{detail.recipe}</pre>
        </details>
      )}
    </>
  );
}

function line(name: string, colour: string, points: readonly MetricPoint[], field: keyof MetricPoint): Line {
  return { name, colour, x: points.map(({ step }) => step), y: points.map((point) => point[field] ?? null) };
}

function lossLines(points: readonly MetricPoint[]): Line[] {
  const validated = points.filter(({ validation_loss }) => validation_loss !== undefined);
  const training = line("training", "--curve-0", points, "loss");
  if (validated.length === 0) return [training];
  return [training, { ...line("validation", "--curve-1", validated, "validation_loss"), dashed: true }];
}
