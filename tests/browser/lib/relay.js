// The relay of a running daemon: `doorward relay add` opens upstreams, as a person would.

import { startDaemon } from "./daemon.js";

export { needsDaemon as needsRelay } from "./places.js";

/** `roots`: a file of certificates to trust besides the platform's. */
export function startRelay({ roots } = {}) {
  const started = startDaemon({ env: roots ? { DOORWARD_EGRESS_ROOTS: roots } : {} });
  const add = async (origin, [upstream, ...fallbacks], ...more) => {
    const daemon = await started;
    const others = fallbacks.flatMap((url) => ["--fallback", url]);
    const { stdout } = await daemon.command("relay", "add", upstream, ...others, "--origin", origin, "--allow-local", ...more, "--json");
    return JSON.parse(stdout);
  };
  return {
    /** `{url, id, expiresAt}` for pages of `origin`: LiveKit's paths. */
    grant: (origin, ...upstreams) => add(origin, upstreams),
    /** The same, and media too goes through it. */
    grantTurn: (origin, ...upstreams) => add(origin, upstreams, "--turn"),
    /** The same for every path. */
    grantAny: (origin, ...upstreams) => add(origin, upstreams, "--path", "/"),
    revoke: async (id) => (await started).command("relay", "revoke", id),
    stop: async () => (await started).stop(),
  };
}
