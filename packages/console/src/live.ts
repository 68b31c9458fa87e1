// The live URLs, as one map that only the event stream changes. Pure: the clock is an argument.

import type { Grant } from "./wire";

export interface LiveGrant extends Grant {
  /** Bytes a second, from the last two reports. */
  rate: number;
  seenAt: number;
}

export type Live = ReadonlyMap<string, LiveGrant>;

/** Reports come at most once a second and only on change: silence for longer means nothing flows. */
const RATE_HOLDS_MS = 2_500;

export function merged(live: Live, reports: readonly Grant[], now: number): Live {
  const next = new Map(live);
  for (const grant of reports) {
    const before = live.get(grant.id);
    const seconds = before ? Math.max(0.25, (now - before.seenAt) / 1000) : 0;
    const grown = before ? grant.bytes - before.bytes : 0;
    next.set(grant.id, { ...grant, rate: seconds > 0 && grown > 0 ? grown / seconds : 0, seenAt: now });
  }
  return next;
}

export function without(live: Live, id: string): Live {
  if (!live.has(id)) return live;
  const next = new Map(live);
  next.delete(id);
  return next;
}

/** Starts over from a listing; rates of grants that stay are kept. */
export function replaced(live: Live, listed: readonly Grant[], now: number): Live {
  return new Map(
    listed.map((grant) => {
      const before = live.get(grant.id);
      return [grant.id, { ...grant, rate: before?.rate ?? 0, seenAt: before?.seenAt ?? now }];
    }),
  );
}

export const rateNow = (grant: LiveGrant, now: number): number =>
  grant.streams > 0 && now - grant.seenAt < RATE_HOLDS_MS ? grant.rate : 0;

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
