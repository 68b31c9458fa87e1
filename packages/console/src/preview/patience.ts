// When a player's URL is to be renewed, and how often a player that failed is to try again. Pure: the clock is an
// argument. Nothing here goes on for ever.

/** Tries before a person is told. */
export const TRIES = 3;
/** A player that ran this long since it failed has recovered: it has its tries again. */
export const RECOVERED_MS = 15_000;
const FIRST_WAIT_MS = 1_000;
/** Renewed this long before its end at the latest, or halfway there for the shortest lives. */
const AHEAD_MS = 60_000;

/** How long to wait before the next try; null when there is none. `failed` counts the failures so far, this one too. */
export const waitAfter = (failed: number): number | null =>
  failed > TRIES ? null : FIRST_WAIT_MS * 2 ** (failed - 1);

/** How long until a URL is to be renewed: at once when it is late, null when it is too late or makes no sense. */
export function renewIn(expiresAt: string, now: number): number | null {
  const left = Date.parse(expiresAt) - now;
  if (!(left > 0)) return null;
  return Math.max(0, left - Math.min(AHEAD_MS, left / 2));
}

/** Refusals that no second try of the same URL will mend. */
export const isFinal = (denial: string): boolean => denial.startsWith("grant") || FINAL.has(denial);

const FINAL = new Set([
  "notFound",
  "changed",
  "accessDenied",
  "archived",
  "bucketMissing",
  "credentialsExpired",
  "credentialsRejected",
]);
