// What a door asks, in as few words as a table cell has. Policies stay the daemon's; unknown names pass as they are.

import type { Refused, Surface } from "../wire";

const CALLERS: Record<string, { asks: string; tone: "g" | "y" | "b" }> = {
  open: { asks: "nothing", tone: "y" },
  ticket: { asks: "launch ticket, once", tone: "g" },
  session: { asks: "cookie + tab proof", tone: "g" },
  capability: { asks: "unguessable token", tone: "g" },
  paired: { asks: "signature by the paired page", tone: "g" },
  native: { asks: "same user, by the system", tone: "b" },
};

export function asks(surface: Surface): { text: string; tone: string } {
  const known = CALLERS[surface.caller] ?? { asks: surface.caller, tone: "b" };
  return { text: surface.policy.csrf ? `${known.asks} + CSRF` : known.asks, tone: known.tone };
}

const TERMS: Record<string, string> = {
  any: "any",
  none: "none",
  absent: "never a browser",
  same: "own page only",
  sameUser: "same user only",
  byGrant: "as the address says",
  page: "a page of its own",
  api: "own scripts only",
  media: "media, never scripts",
  json: "JSON only",
  control: "console",
  plain: "plain",
};

/** A term of a policy in words; one that is not known passes as it is, and what is not limited says so. */
export const term = (value: string | number | null): string =>
  value === null ? "not limited" : (TERMS[value] ?? String(value));

export const refusedCount = (refused: readonly Refused[]): number =>
  refused.reduce((sum, one) => sum + one.count, 0);

/** One more refusal, or several at once: the daemon coalesces them. */
export function refusedAlso(refused: readonly Refused[], denial: string, count: number): Refused[] {
  const known = refused.some((one) => one.denial === denial);
  if (!known) return [...refused, { denial, count }];
  return refused.map((one) => (one.denial === denial ? { denial, count: one.count + count } : one));
}
