/** Pages by the address's fragment, `#/PAGE/ID?QUERY`: works under any path and without help of the server. */
import { computed, signal } from "@preact/signals";

export interface Place {
  page: string;
  /** Decoded; "" where the page has none. */
  id: string;
  query: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export const place = computed((): Place => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/");
  return { page: page || "runs", id: decode(rest.join("/")), query: new URLSearchParams(query) };
});

export function href(page: string, id = "", query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${page}${id === "" ? "" : `/${encodeURIComponent(id)}`}${search === "" ? "" : `?${search}`}`;
}

export function go(page: string, id = "", query: Record<string, string> = {}): void {
  location.hash = href(page, id, query);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
