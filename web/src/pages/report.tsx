import { post } from "../api.js";
import { Icon } from "../parts/icon.js";
import { useLoad } from "../parts/use-load.js";

/** A report in a frame without origin: it can run its own script and reach nothing. */
export function ReportPage({ id }: { id: string }) {
  const { value, error } = useLoad<{ url: string }>(() => post("/api/report", { id }), [id]);
  return (
    <div class="report">
      <div class="head">
        <h1>Report: {id === "." ? "this folder" : id}</h1>
        {value && (
          <a class="button" href={value.url} target="_blank" rel="noreferrer">
            <Icon name="out" /> In its own tab
          </a>
        )}
      </div>
      {error && <p class="notice bad">{error}</p>}
      {value && (
        <iframe title={`Report of ${id}`} src={value.url} sandbox="allow-scripts" referrerpolicy="no-referrer" />
      )}
    </div>
  );
}
