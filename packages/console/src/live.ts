// The live URLs, as one map that only the event stream changes. Pure: the clock is an argument.

import * as flow from "./flow";
import type { Grant, GrantsPage } from "./wire";

export type LiveGrant = Grant & flow.Flow;
export type Live = ReadonlyMap<string, LiveGrant>;

export const merged = (live: Live, reports: readonly Grant[], now: number): Live =>
  flow.reported(live, reports, now, (grant) => grant.bytes);

export const rateNow = (grant: LiveGrant, now: number): number =>
  grant.streams > 0 ? flow.rateNow(grant, now) : 0;

/** Playing first, then the last used. */
export const ordered = (live: Live, now: number): LiveGrant[] =>
  flow.ordered(
    live,
    now,
    (grant) => grant.streams > 0,
    (grant) => Date.parse(grant.lastUsedAt ?? grant.createdAt) || 0,
  );

/** The first pages of the listing, and how many are on those that come after. */
export async function read(
  page: (after: string | null) => Promise<GrantsPage>,
  pages: number,
): Promise<{ grants: Grant[]; left: number }> {
  const grants: Grant[] = [];
  let after: string | null = null;
  for (let at = 0; at < pages; at += 1) {
    const { grants: more, total, next } = await page(after);
    grants.push(...more);
    if (next === null) break;
    if (at + 1 === pages) return { grants, left: Math.max(1, total - grants.length) };
    after = next;
  }
  return { grants, left: 0 };
}
