import { catalogue } from "../live.js";
import { href } from "../router.js";

export function ExperimentsPage() {
  const { experiments, reports } = catalogue.value!;
  const others = reports.filter(({ id }) => !experiments.some((experiment) => experiment.id === id));
  return (
    <>
      <h1>Experiments</h1>
      {experiments.length === 0 && (
        <section class="card hollow">
          <p>
            No experiments here yet. <code>evoke run EXPERIMENT.yaml</code> makes one.
          </p>
        </section>
      )}
      <ul class="plain">
        {experiments.map(({ id, name, done, failed, running, total, report }) => (
          <li class="card row" key={id}>
            <div class="name">
              <a href={href("experiment", id)}>{name}</a>
              <span class="soft">{id}</span>
            </div>
            <div class="progress">
              <progress max={Math.max(1, total)} value={done} aria-label={`Progress of ${name}`} />
              <span class="figures">
                {done} / {total} steps
              </span>
            </div>
            <span class="soft">
              {[running > 0 && `${running} running`, failed > 0 && `${failed} failed`].filter(Boolean).join(", ")}
            </span>
            {report && (
              <a class="button" href={href("report", id)}>
                Report
              </a>
            )}
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <>
          <h2>Other reports</h2>
          <ul class="plain">
            {others.map(({ id }) => (
              <li class="card row" key={id}>
                <div class="name">
                  <a href={href("report", id)}>{id === "." ? "report.html" : id}</a>
                </div>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
