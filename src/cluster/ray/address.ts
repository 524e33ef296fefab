import { UsageError } from "../../errors.js";

/** Where a Ray head takes jobs. */
export interface ClusterAddress {
  /** Base of all requests, without a slash at the end. */
  url: string;
  /** TLS. */
  secure: boolean;
  /** Not this machine. */
  remote: boolean;
}

/** Port of Ray's dashboard, which takes jobs. */
const DASHBOARD_PORT = 8265;

/**
 * Reads `ray://HOST[:PORT]` (plain HTTP to the dashboard, 8265 by default), `http://…` or `https://…`; a path is kept,
 * for dashboards behind a proxy.
 * @throws UsageError for anything else, and for credentials in the address, which would end up in files and logs.
 */
export function parseAddress(text: string): ClusterAddress {
  const [, scheme, rest] = /^(ray|https?):\/\/(.+)$/.exec(text.trim()) ?? [];
  const fail = (why: string): never => {
    throw new UsageError(`${text}: ${why}; write ray://HOST:8265, or the dashboard's http:// or https:// address`);
  };
  if (rest === undefined) return fail("no address of a Ray head");
  let url: URL;
  try {
    url = new URL(`${scheme === "https" ? "https" : "http"}://${rest}`);
  } catch {
    return fail("no address of a Ray head");
  }
  if (url.username || url.password)
    throw new UsageError("the address of a cluster holds no password; put its token in RAY_AUTH_TOKEN");
  if (url.search || url.hash) fail("an address has no ? or #");
  if (scheme === "ray" && url.port === "10001") fail("port 10001 is Ray Client's; jobs go to the dashboard's port");
  if (scheme === "ray" && !/:\d+(\/|$)/.test(rest)) url.port = String(DASHBOARD_PORT);
  return {
    url: `${url.origin}${url.pathname}`.replace(/\/+$/, ""),
    secure: url.protocol === "https:",
    remote: !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname),
  };
}

/** What to tell a user before recipe, rows and token travel to a cluster; nothing for this machine's own. */
export function addressWarnings(address: ClusterAddress, token: string | undefined, tokenEnv: string): string[] {
  if (!address.remote) return [];
  const warnings: string[] = [];
  if (!address.secure)
    warnings.push(
      `warning: ${address.url} is remote and without TLS: recipe, rows${token ? " and token" : ""} can be read on the way; use https:// or a tunnel (ssh -L 8265:localhost:8265 HOST)`,
    );
  if (!token)
    warnings.push(
      `warning: no token for ${address.url} (${tokenEnv} is empty): whoever reaches it can run programs there`,
    );
  return warnings;
}
