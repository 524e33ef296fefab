import { useEffect, useState } from "preact/hooks";
import type { SamplePage } from "../../../src/serve/studio/wire.js";
import { get } from "../api.js";
import { bytes } from "../format.js";
import { catalogue } from "../live.js";
import { useLoad } from "../parts/use-load.js";
import { go } from "../router.js";

const PAGE = 20;
/** A pause in typing that is long enough to search. */
const PAUSE_MS = 250;

/** Rows of a JSON Lines file: search, filters, pages. */
export function SamplesPage({ id }: { id: string }) {
  const files = catalogue.value!.samples;
  const file = id || files[0]?.id || "";
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const [filters, setFilters] = useState<Record<string, string>>({});
  const [offset, setOffset] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSearch(typed);
      setOffset(0);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const filter = Object.entries(filters).map(([field, value]) => `${field}=${value}`);
  const { value: page, error } = useLoad<SamplePage | undefined>(
    async (abort) => {
      if (file === "") return undefined;
      const query = { id: file, search, filter, offset: String(offset), limit: String(PAGE) };
      return get<SamplePage>("/api/samples", query, abort);
    },
    [file, search, filter.join("\n"), offset],
  );
  if (files.length === 0)
    return (
      <>
        <h1>Samples</h1>
        <section class="card hollow">
          <p>No JSON Lines files here yet: evaluations leave their samples, pipelines their rows.</p>
        </section>
      </>
    );
  const choose = (field: string, value: string): void => {
    const { [field]: _, ...others } = filters;
    setFilters(value === "" ? others : { ...others, [field]: value });
    setOffset(0);
  };
  return (
    <>
      <h1>Samples</h1>
      <div class="bar">
        <label class="field">
          File
          <select value={file} onChange={(event) => go("samples", event.currentTarget.value)}>
            {files.map((each) => (
              <option key={each.id} value={each.id}>
                {each.id} ({bytes(each.bytes)})
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Search
          <input
            type="search"
            value={typed}
            placeholder="words"
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        {page?.facets.map(({ field, values }) => (
          <label class="field narrow" key={field}>
            {field}
            <select value={filters[field] ?? ""} onChange={(event) => choose(field, event.currentTarget.value)}>
              <option value="">any</option>
              {values.map(({ value, count }) => (
                <option key={value} value={value}>
                  {value || "empty"} ({count})
                </option>
              ))}
            </select>
          </label>
        ))}
      </div>
      {error && <p class="notice bad">{error}</p>}
      {page && (
        <>
          <Pager page={page} set={setOffset} />
          <ol class="plain samples">
            {page.rows.map(({ line, row }) => (
              <li class="card sample" key={line}>
                <span class="line soft">line {line}</span>
                <dl>
                  {Object.entries(row).map(([field, value]) => (
                    <div key={field}>
                      <dt>{field}</dt>
                      <dd>{shown(value)}</dd>
                    </div>
                  ))}
                </dl>
              </li>
            ))}
          </ol>
          {page.matching > PAGE && <Pager page={page} set={setOffset} />}
        </>
      )}
    </>
  );
}

function Pager({ page, set }: { page: SamplePage; set(offset: number): void }) {
  const { offset, matching, total, invalid } = page;
  const last = Math.min(matching, offset + PAGE);
  return (
    <div class="pager">
      <span role="status">
        {matching === 0 ? "No rows" : `${offset + 1}–${last} of ${matching}`}
        {matching < total && ` (${total} in all)`}
        {invalid > 0 && `, ${invalid} unreadable`}
      </span>
      <button type="button" disabled={offset === 0} onClick={() => set(Math.max(0, offset - PAGE))}>
        Back
      </button>
      <button type="button" disabled={last >= matching} onClick={() => set(offset + PAGE)}>
        Next
      </button>
    </div>
  );
}

/** A text as it is, lists of texts line by line, anything else as JSON. */
function shown(value: unknown) {
  if (typeof value === "string") return <span class="text">{value}</span>;
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string"))
    return (
      <ol start={0}>
        {value.map((each, i) => (
          <li key={i} class="text">
            {each}
          </li>
        ))}
      </ol>
    );
  const rounded = (_: string, each: unknown): unknown =>
    typeof each === "number" && !Number.isInteger(each) ? Number(each.toPrecision(6)) : each;
  return <code>{JSON.stringify(value, rounded, typeof value === "object" ? 1 : 0)?.replace(/\n\s*/g, " ")}</code>;
}
