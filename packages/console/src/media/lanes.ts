// Which port of the content listener a preview comes through. A browser opens six connections to a host and port, and
// players that stand still, in any tab and of any page, hold theirs for as long as they like: it does not even notice
// when the daemon closes one that it does not read. So a small request feels for a connection first, port by port.

const NEXT_AFTER_MS = 250;
/** As long as a busy machine may take. */
const FELT_WITHIN_MS = 3_000;

/** What was felt is taken to be so for this long, for small requests in a row. */
const FELT_FOR_MS = 2_000;

/** Whether a connection to `origin` is to be had: rejects if not, waits while the browser does. */
export type Feel = (origin: string, signal: AbortSignal) => Promise<void>;

/** Browsers count connections with and without credentials apart, and previews are fetched both ways. */
export const feel: Feel = async (origin, signal) => {
  const ask = (credentials: RequestCredentials): Promise<Response> =>
    fetch(`${origin}/healthz`, { mode: "no-cors", cache: "no-store", credentials, signal });
  await Promise.all([ask("include"), ask("omit")]);
};

/** `url` on the first of its own port and `lanes` that answers; null if none does. */
export async function onFreeLane(
  url: string,
  lanes: readonly string[],
  by: Feel = feel,
): Promise<string | null> {
  const own = new URL(url).origin;
  const stop = new AbortController();
  const timers: ReturnType<typeof setTimeout>[] = [];
  const origins = [own, ...lanes];
  const free = new Promise<string | null>((found) => {
    timers.push(setTimeout(() => found(null), FELT_WITHIN_MS));
    let refused = 0;
    const tryAt = (at: number): void => {
      const origin = origins[at];
      if (origin === undefined || stop.signal.aborted) return;
      let gone = false;
      const next = (): void => {
        if (!gone) tryAt(at + 1);
        gone = true;
      };
      timers.push(setTimeout(next, NEXT_AFTER_MS));
      by(origin, stop.signal).then(
        () => found(origin),
        () => {
          refused += 1;
          if (refused === origins.length) found(null);
          next();
        },
      );
    };
    tryAt(0);
  });
  const origin = await free;
  // The others no longer wait for a connection.
  stop.abort();
  for (const timer of timers) clearTimeout(timer);
  return origin && origin + url.slice(own.length);
}

let felt: { at: number; origin: Promise<string | null> } | null = null;

/** The same for many small requests in a row, which do not each feel for themselves; `url` itself if none answers. */
export async function onRecentLane(url: string, lanes: readonly string[], by: Feel = feel): Promise<string> {
  const now = Date.now();
  if (!felt || now - felt.at > FELT_FOR_MS) {
    const origin = onFreeLane(url, lanes, by).then((free) => free && new URL(free).origin);
    felt = { at: now, origin };
  }
  const origin = await felt.origin;
  return origin ? origin + url.slice(new URL(url).origin.length) : url;
}
