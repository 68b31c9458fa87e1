// What the daemon reports again and again, as a map by id that knows how fast each grows. Pure: the clock is an argument.

export interface Flow {
  /** Bytes a second, from the last two reports. */
  rate: number;
  seenAt: number;
}

type Known<T> = ReadonlyMap<string, T & Flow>;

/** Reports come at most once a second and only on change: silence for longer means nothing flows. */
const RATE_HOLDS_MS = 2_500;

/** With what `reports` say; `passed` is how many bytes one has moved so far. */
export function reported<T extends { id: string }>(
  known: Known<T>,
  reports: readonly T[],
  now: number,
  passed: (one: T) => number,
): Known<T> {
  const next = new Map(known);
  for (const one of reports) {
    const before = known.get(one.id);
    const seconds = before ? Math.max(0.25, (now - before.seenAt) / 1000) : 0;
    const grown = before ? passed(one) - passed(before) : 0;
    next.set(one.id, { ...one, rate: seconds > 0 && grown > 0 ? grown / seconds : 0, seenAt: now });
  }
  return next;
}

export function without<T>(known: Known<T>, id: string): Known<T> {
  if (!known.has(id)) return known;
  const next = new Map(known);
  next.delete(id);
  return next;
}

/** Starts over from a listing; rates of those that stay are kept. */
export function listed<T extends { id: string }>(known: Known<T>, list: readonly T[], now: number): Known<T> {
  return new Map(
    list.map((one) => {
      const before = known.get(one.id);
      return [one.id, { ...one, rate: before?.rate ?? 0, seenAt: before?.seenAt ?? now }];
    }),
  );
}

/** Those whose time is not over: the busy ones first, then the latest by `when`. */
export function ordered<T extends { id: string; expiresAt: string }>(
  known: Known<T>,
  now: number,
  busy: (one: T) => boolean,
  when: (one: T) => number,
): (T & Flow)[] {
  return [...known.values()]
    .filter((one) => Date.parse(one.expiresAt) > now)
    .sort((a, b) => Number(busy(b)) - Number(busy(a)) || when(b) - when(a) || (a.id < b.id ? -1 : 1));
}

export const rateNow = (flow: Flow, now: number): number =>
  now - flow.seenAt < RATE_HOLDS_MS ? flow.rate : 0;
