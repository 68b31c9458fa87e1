// A folder as pages, of which only the last few that were looked at are held. Of the others the number of entries and
// the cursor stay, so that positions keep their meaning and a page can be asked for again. Pure.

import type { Entry, Listing } from "../wire";

interface Page {
  /** The cursor that brings it. */
  after: string | null;
  /** Where its first entry stands. */
  start: number;
  count: number;
  /** The key of its last entry: while that stays, the pages after it follow on. */
  last: string;
  /** Null when it was let go. */
  entries: readonly Entry[] | null;
  /** Higher is later. */
  used: number;
}

export interface Pages {
  pages: readonly Page[];
  /** The cursor after the last page; null at the end of the folder. */
  next: string | null;
  count: number;
}

/** What one request should bring: a page after the last, or one that was let go. */
export interface Want {
  at: number;
  after: string | null;
  limit: number;
}

/** Pages held at once: some 6,000 entries, far more than any screen shows. */
export const HELD = 12;
/** The first page is to be quick; the daemon gives 500 entries at most. */
const FIRST = 200;
const OTHERS = 500;

export const NOTHING: Pages = { pages: [], next: null, count: 0 };

export const limitOf = (at: number): number => (at === 0 ? FIRST : OTHERS);

export function entryAt({ pages, count }: Pages, index: number): Entry | null {
  if (index < 0 || index >= count) return null;
  const page = pages[pageAt(pages, index)];
  return page?.entries?.[index - page.start] ?? null;
}

/** Among the entries that are held; -1 otherwise. */
export function indexOfKey({ pages }: Pages, key: string): number {
  for (const page of pages) {
    const at = page.entries?.findIndex((entry) => entry.key === key) ?? -1;
    if (at >= 0) return page.start + at;
  }
  return -1;
}

/** The next file before or after `key`; folders are stepped over. Null at either end, and where nothing is held. */
export function neighbour(of: Pages, key: string, by: 1 | -1): Entry | null {
  const at = indexOfKey(of, key);
  if (at < 0) return null;
  for (let i = at + by; i >= 0 && i < of.count; i += by) {
    const entry = entryAt(of, i);
    if (!entry || entry.kind === "file") return entry;
  }
  return null;
}

/** The first page in `first..end` that was let go. */
export function missing({ pages, count }: Pages, first: number, end: number): Want | null {
  if (count === 0 || end <= first) return null;
  const from = pageAt(pages, Math.max(0, first));
  const to = pageAt(pages, Math.min(end, count) - 1);
  for (let at = from; at <= to; at += 1) {
    const page = pages[at];
    if (page && page.entries === null) return { at, after: page.after, limit: limitOf(at) };
  }
  return null;
}

export function follow({ pages, next }: Pages): Want | null {
  return next === null ? null : { at: pages.length, after: next, limit: limitOf(pages.length) };
}

/** Puts an answer in its place. Where a page has changed its end, what follows is no longer known and is dropped. */
export function placed(was: Pages, want: Want, answer: Listing, used: number): Pages {
  if (want.at > was.pages.length) return was;
  const before = was.pages[want.at];
  const last = answer.entries.at(-1)?.key ?? "";
  const page: Page = {
    after: want.after,
    start: 0,
    count: answer.entries.length,
    last,
    entries: answer.entries,
    used,
  };
  // A search may look through a stretch without a match: no page, only a cursor that moved on.
  const added = page.count > 0 || answer.next === null ? [page] : [];
  const rest = before?.last === last && added.length > 0 ? was.pages.slice(want.at + 1) : [];
  const pages = [...was.pages.slice(0, want.at), ...added, ...rest];
  return counted(letGo(pages), rest.length > 0 ? was.next : answer.next);
}

/** Notes that these entries are looked at, so that their pages stay. */
export function touch({ pages }: Pages, first: number, end: number, used: number): void {
  for (const page of pages) {
    if (page.start < end && page.start + page.count > first) page.used = used;
  }
}

export function changed(was: Pages, match: (entry: Entry) => boolean, change: Partial<Entry>): Pages {
  for (const [i, page] of was.pages.entries()) {
    const at = page.entries?.findIndex(match) ?? -1;
    const entry = page.entries?.[at];
    if (!page.entries || !entry) continue;
    return {
      ...was,
      pages: was.pages.with(i, { ...page, entries: page.entries.with(at, { ...entry, ...change }) }),
    };
  }
  return was;
}

/** The same positions with nothing held: for a folder that is left, or whose entries may have changed. */
export const emptied = (was: Pages): Pages => ({
  ...was,
  pages: was.pages.map((page) => ({ ...page, entries: null })),
});

function counted(pages: readonly Page[], next: string | null): Pages {
  let count = 0;
  const placed = pages.map((page) => {
    const start = count;
    count += page.count;
    return page.start === start ? page : { ...page, start };
  });
  return { pages: placed, next, count };
}

function letGo(pages: readonly Page[]): readonly Page[] {
  const held = pages.filter((page) => page.entries !== null);
  if (held.length <= HELD) return pages;
  const oldest = held.reduce((a, b) => (b.used < a.used ? b : a));
  return pages.map((page) => (page === oldest ? { ...page, entries: null } : page));
}

function pageAt(pages: readonly Page[], index: number): number {
  let [low, high] = [0, pages.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pages[middle]?.start ?? 0) <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
