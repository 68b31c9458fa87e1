// One folder as the daemon lists it, page by page. A new folder or search drops whatever was still under way.

import { signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { door, onEvent } from "../house";
import type { Entry, Listing } from "../wire";

export interface Folder {
  source: string;
  prefix: string;
  q: string;
  entries: readonly Entry[];
  next: string | null;
  busy: boolean;
  /** Nothing has arrived yet: skeletons stand in. */
  fresh: boolean;
  trouble: Trouble | null;
}

const PAGE = 200;

export const folder = signal<Folder | null>(null);
/** Sizes by grant, so that the live URLs can show how much of a file has gone out. */
export const sizes = new Map<string, number>();
const SIZES_KEPT = 50_000;

let underWay = new AbortController();

export function show(source: string, prefix: string, q: string): void {
  underWay.abort();
  underWay = new AbortController();
  const before = folder.value;
  const same = before?.source === source && before.prefix === prefix;
  folder.value = {
    source,
    prefix,
    q,
    // A search within the same folder keeps what is shown until the answer comes.
    entries: same ? before.entries : [],
    next: null,
    busy: true,
    fresh: !same,
    trouble: null,
  };
  void load(null, underWay.signal);
}

export function more(): void {
  const now = folder.value;
  if (!now || now.busy || now.next === null || now.trouble) return;
  folder.value = { ...now, busy: true };
  void load(now.next, underWay.signal);
}

export function reload(): void {
  const now = folder.value;
  if (now) show(now.source, now.prefix, now.q);
}

/** Finds one entry that the loaded pages do not hold. */
export async function find(source: string, key: string): Promise<Entry | null> {
  const cut = key.lastIndexOf("/") + 1;
  const page = await list(source, key.slice(0, cut), key.slice(cut), null);
  return page.entries.find((entry) => entry.key === key) ?? null;
}

/** Changes one entry where it stands. */
export function amend(match: (entry: Entry) => boolean, change: Partial<Entry>): void {
  const now = folder.value;
  const at = now?.entries.findIndex(match) ?? -1;
  const entry = now?.entries[at];
  if (!now || !entry) return;
  folder.value = { ...now, entries: now.entries.with(at, { ...entry, ...change }) };
}

onEvent((event, data) => {
  if (event === "grant.revoked") amend((entry) => entry.grantId === data.id, { url: null, grantId: null });
  if (event === "resync") reload();
});

async function load(after: string | null, signal: AbortSignal): Promise<void> {
  const asked = folder.value;
  if (!asked) return;
  try {
    const page = await list(asked.source, asked.prefix, asked.q, after, signal);
    if (signal.aborted || !folder.value) return;
    note(page.entries);
    const entries = after === null ? page.entries : [...folder.value.entries, ...page.entries];
    folder.value = { ...folder.value, entries, next: page.next, busy: false, fresh: false };
  } catch (cause) {
    if (signal.aborted || !folder.value) return;
    const trouble = troubleOf(cause, "This folder could not be listed");
    folder.value = { ...folder.value, busy: false, fresh: false, trouble };
  }
}

function list(
  source: string,
  prefix: string,
  q: string,
  after: string | null,
  signal?: AbortSignal,
): Promise<Listing> {
  const asked = new URLSearchParams({ prefix, limit: String(PAGE) });
  if (q) asked.set("q", q);
  if (after !== null) asked.set("after", after);
  return door.read<Listing>(`/api/sources/${encodeURIComponent(source)}/list?${asked}`, signal);
}

export function note(entries: readonly Entry[]): void {
  if (sizes.size > SIZES_KEPT) sizes.clear();
  for (const { grantId, size } of entries) if (grantId && size !== null) sizes.set(grantId, size);
}
