import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { tokenWanted } from "./api.js";
import { catalogue, connected, follow, listen } from "./live.js";
import { ChatPage } from "./pages/chat.js";
import { EvaluationsPage } from "./pages/evaluations.js";
import { ExperimentPage } from "./pages/experiment.js";
import { ExperimentsPage } from "./pages/experiments.js";
import { NewTrainingPage } from "./pages/new-training.js";
import { ReportPage } from "./pages/report.js";
import { RunPage } from "./pages/run.js";
import { RunsPage } from "./pages/runs.js";
import { SamplesPage } from "./pages/samples.js";
import { Icon, type IconName } from "./parts/icon.js";
import { TokenGate } from "./parts/token-gate.js";
import { href, place } from "./router.js";
import { nextTheme, theme } from "./theme.js";

/** Pages in the navigation, with the pages that belong to each. */
const SECTIONS: readonly { page: string; title: string; icon: IconName; holds: readonly string[] }[] = [
  { page: "runs", title: "Runs", icon: "curve", holds: ["runs", "run", "new"] },
  { page: "experiments", title: "Experiments", icon: "graph", holds: ["experiments", "experiment", "report"] },
  { page: "evaluations", title: "Evaluations", icon: "table", holds: ["evaluations"] },
  { page: "samples", title: "Samples", icon: "list", holds: ["samples"] },
  { page: "chat", title: "Chat", icon: "chat", holds: ["chat"] },
];

export function App() {
  useEffect(listen, []);
  const { page } = place.value;
  const section = SECTIONS.find(({ holds }) => holds.includes(page));
  useEffect(() => {
    document.title = `${section?.title ?? "Not found"} · evoke studio`;
    if (page !== "runs" && page !== "run") follow([]);
  }, [page]);
  if (tokenWanted.value !== "no") return <TokenGate />;
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header class="side">
        <a class="brand" href={href("runs")}>
          <img src="/icon.svg" alt="" width="26" height="26" /> evoke <span>studio</span>
        </a>
        <nav aria-label="Pages">
          {SECTIONS.map(({ page: target, title, icon }) => (
            <a key={target} href={href(target)} aria-current={section?.page === target ? "page" : undefined}>
              <Icon name={icon} />
              <span>{title}</span>
            </a>
          ))}
        </nav>
        <button type="button" class="quiet theme" onClick={nextTheme} title={`Colours: ${theme.value}`}>
          <Icon name={theme.value === "auto" ? "contrast" : theme.value === "dark" ? "moon" : "sun"} />
          <span>Colours: {theme.value}</span>
        </button>
      </header>
      <main id="main" tabIndex={-1} class={page === "chat" || page === "report" ? "wide" : undefined}>
        {!connected.value && (
          <p class="notice bad" role="alert">
            The studio's server does not answer; trying again…
          </p>
        )}
        {catalogue.value === undefined ? <p class="soft">Looking into the runs folder…</p> : <Page />}
      </main>
    </div>
  );
}

function Page(): ComponentChildren {
  const { page, id } = place.value;
  switch (page) {
    case "runs":
      return <RunsPage />;
    case "run":
      return <RunPage key={id} id={id} />;
    case "new":
      return <NewTrainingPage />;
    case "experiments":
      return <ExperimentsPage />;
    case "experiment":
      return <ExperimentPage key={id} id={id} />;
    case "report":
      return <ReportPage key={id} id={id} />;
    case "evaluations":
      return <EvaluationsPage />;
    case "samples":
      return <SamplesPage key={id} id={id} />;
    case "chat":
      return <ChatPage />;
    default:
      return (
        <>
          <h1>Not found</h1>
          <p>
            There is no such page. <a href={href("runs")}>Back to the runs</a>
          </p>
        </>
      );
  }
}
