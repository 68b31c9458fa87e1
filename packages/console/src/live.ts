// The live URLs, as one map that only the event stream changes. Pure: the clock is an argument.

import * as flow from "./flow";
import type { Grant } from "./wire";

export type LiveGrant = Grant & flow.Flow;
export type Live = ReadonlyMap<string, LiveGrant>;

export const merged = (live: Live, reports: readonly Grant[], now: number): Live =>
  flow.reported(live, reports, now, (grant) => grant.bytes);

export const rateNow = (grant: LiveGrant, now: number): number =>
  grant.streams > 0 ? flow.rateNow(grant, now) : 0;

export const ended = (grant: Grant, now: number): boolean => Date.parse(grant.expiresAt) <= now;

/** Playing first, then the last used. */
export function ordered(live: Live, now: number): LiveGrant[] {
  const used = (grant: LiveGrant): number => Date.parse(grant.lastUsedAt ?? grant.createdAt) || 0;
  return [...live.values()]
    .filter((grant) => !ended(grant, now))
    .sort(
      (a, b) => Number(b.streams > 0) - Number(a.streams > 0) || used(b) - used(a) || (a.id < b.id ? -1 : 1),
    );
}
