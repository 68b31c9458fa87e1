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

export const refusedCount = (refused: readonly Refused[]): number =>
  refused.reduce((sum, one) => sum + one.count, 0);

/** One more refusal, or several at once: the daemon coalesces them. */
export function refusedAlso(refused: readonly Refused[], denial: string, count: number): Refused[] {
  const known = refused.some((one) => one.denial === denial);
  if (!known) return [...refused, { denial, count }];
  return refused.map((one) => (one.denial === denial ? { denial, count: one.count + count } : one));
}
