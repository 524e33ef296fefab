import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RunSummary } from "../../../src/serve/studio/wire.js";
import { ago, figure } from "../format.js";
import { catalogue, curves, follow } from "../live.js";
import { Chart, curveColour } from "../parts/chart.js";
import { Icon } from "../parts/icon.js";
import { Progress, State } from "../parts/state.js";
import { href } from "../router.js";

/** Runs ticked or unticked by hand; the others follow the rule below. */
const chosen = signal<Readonly<Record<string, boolean>>>({});
/** The newest are drawn unless told otherwise. */
const SHOWN = 4;
const MOST = 12;

export function RunsPage() {
  const runs = catalogue.value!.runs;
  const drawn = runs.filter((run, i) => chosen.value[run.id] ?? i < SHOWN).slice(0, MOST);
  const ids = drawn.map(({ id }) => id);
  useEffect(() => follow(ids), [ids.join("\n")]);
  const colourOf = new Map(ids.map((id, n) => [id, curveColour(n)]));
  return (
    <>
      <div class="head">
        <h1>Runs</h1>
        <a class="button primary" href={href("new")}>
          <Icon name="plus" /> New training
        </a>
      </div>
      {runs.length === 0 ? (
        <Nothing />
      ) : (
        <>
          <section class="card">
            <Chart
              title="Training loss"
              unit="nats per token, by step"
              height={260}
              lines={drawn.map(({ id }) => {
                const points = curves.value[id] ?? [];
                return {
                  name: id,
                  colour: colourOf.get(id)!,
                  x: points.map(({ step }) => step),
                  y: points.map(({ loss }) => loss),
                };
              })}
            />
          </section>
          <ul class="runs">
            {runs.map((run) => (
              <RunRow key={run.id} run={run} colour={colourOf.get(run.id)} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function RunRow({ run, colour }: { run: RunSummary; colour?: string }) {
  return (
    <li class="run card">
      <label class="tick" title="Draw its curve">
        <input
          type="checkbox"
          checked={colour !== undefined}
          style={colour ? { accentColor: `var(${colour})` } : undefined}
          aria-label={`Draw the curve of ${run.id}`}
          onChange={(event) => (chosen.value = { ...chosen.value, [run.id]: event.currentTarget.checked })}
        />
      </label>
      <div class="name">
        <a href={href("run", run.id)}>{run.id}</a>
        <span class="soft">{[run.mode.toUpperCase(), run.method, run.model].filter(Boolean).join(" · ")}</span>
      </div>
      <State state={run.state} />
      <Progress run={run} />
      <div class="loss">
        <span class="soft">loss</span> {figure(run.loss)}
      </div>
      <span class="when soft">{ago(run.started)}</span>
    </li>
  );
}

function Nothing() {
  return (
    <section class="card hollow">
      <p>This folder holds no runs yet.</p>
      <p>
        <a class="button primary" href={href("new")}>
          Start a training
        </a>
      </p>
    </section>
  );
}
