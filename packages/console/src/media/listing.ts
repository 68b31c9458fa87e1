// One folder as the daemon lists it, page by page. A new folder or search drops whatever was still under way. Where a
// person was in the folders seen last is kept: back and forward come to the same place.

import { type Signal, signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { door, onEvent } from "../house";
import type { Entry, Listing } from "../wire";
import { isUnlistable, named } from "./byname";
import { changed, emptied, follow, missing, NOTHING, type Pages, placed, touch, type Want } from "./pages";
import { selected } from "./selection";

/** What a search looks for: `text` anywhere in a name, or at its start. */
export interface Search {
  text: string;
  starts: boolean;
}

export interface Folder {
  source: string;
  prefix: string;
  q: Search;
  pages: Pages;
  busy: boolean;
  /** Nothing has arrived yet: skeletons stand in. */
  fresh: boolean;
  /** A search went through many names without a match, and waits to be told to go on. */
  paused: boolean;
  trouble: Trouble | null;
  /** The source has files, but no list of them. */
  unlistable: boolean;
}

interface Left {
  pages: Pages;
  q: Search;
  selected: number;
  top: number;
}

export const EVERYTHING: Search = { text: "", starts: false };
/** Pages without a match that a search passes over by itself. */
const BARREN_AT_MOST = 3;
const PLACES_KEPT = 30;
const SIZES_KEPT = 50_000;

export const folder = signal<Folder | null>(null);
/** Sizes by grant, so that the live URLs can show how much of a file has gone out. */
export const sizes = new Map<string, number>();
/** How far the folder on show is scrolled, and where it is to be scrolled to once it is drawn. */
export const scrolled = { top: 0, wish: 0 };

/** Why grants ended, and which objects were replaced at their source, as the event stream said it. */
export const lost = signal<ReadonlyMap<string, string>>(new Map());
export const replaced = signal<ReadonlyMap<string, boolean>>(new Map());
const ENDS_KEPT = 500;

const places = new Map<string, Left>();
let underWay = new AbortController();
let barren = 0;
let uses = 0;

/** Shows a folder, where it was left if it was seen before. Returns how far it was scrolled. */
export function visit(source: string, prefix: string): number {
  leave();
  const left = places.get(placeOf(source, prefix));
  if (!left || left.pages.count === 0) {
    selected.value = -1;
    show(source, prefix, left?.q ?? EVERYTHING);
    return 0;
  }
  start();
  selected.value = left.selected;
  folder.value = {
    source,
    prefix,
    q: left.q,
    pages: left.pages,
    busy: false,
    fresh: false,
    paused: false,
    trouble: null,
    unlistable: false,
  };
  return left.top;
}

export function show(source: string, prefix: string, q: Search): void {
  start();
  const before = folder.value;
  const same = before?.source === source && before.prefix === prefix;
  folder.value = {
    source,
    prefix,
    q,
    // A search within the same folder keeps what is shown until the answer comes.
    pages: same ? { ...before.pages, next: null } : NOTHING,
    busy: true,
    fresh: !same,
    paused: false,
    trouble: null,
    unlistable: false,
  };
  void load({ at: 0, after: null, limit: 200 }, true);
}

/** The next page, if there is one. `asked` by a person, a search that paused goes on. */
export function more(asked = false): void {
  const now = folder.value;
  if (!now || now.busy || now.trouble || (now.paused && !asked)) return;
  const want = follow(now.pages);
  if (!want) return;
  barren = asked ? 0 : barren;
  folder.value = { ...now, busy: true, paused: false };
  void load(want);
}

/** Says which entries are looked at: pages of them that were let go are asked for again. */
export function look(first: number, end: number): void {
  const now = folder.value;
  if (!now || now.fresh) return;
  uses += 1;
  touch(now.pages, first, end, uses);
  if (now.busy || now.trouble) return;
  const want = missing(now.pages, first, end);
  if (!want) return;
  folder.value = { ...now, busy: true };
  void load(want);
}

/** Asks for everything on show again, at the same place. */
export function reload(): void {
  const now = folder.value;
  if (!now) return;
  if (now.pages.count === 0) {
    show(now.source, now.prefix, now.q);
    return;
  }
  start();
  folder.value = { ...now, pages: emptied(now.pages), busy: false, paused: false, trouble: null };
}

/** Finds one entry that the loaded pages do not hold. */
export async function find(source: string, key: string): Promise<Entry | null> {
  const cut = key.lastIndexOf("/") + 1;
  const q = { text: key.slice(cut), starts: true };
  try {
    const page = await list(source, key.slice(0, cut), q, { at: 0, after: null, limit: 200 });
    return page.entries.find((entry) => entry.key === key) ?? null;
  } catch (cause) {
    if (!isUnlistable(cause)) throw cause;
    return named(source, key);
  }
}

/** Changes one entry where it stands. */
export function amend(match: (entry: Entry) => boolean, change: Partial<Entry>): void {
  const now = folder.value;
  if (!now) return;
  const pages = changed(now.pages, match, change);
  if (pages !== now.pages) folder.value = { ...now, pages };
}

onEvent((event, data) => {
  if (event === "grant.revoked") {
    remember(lost, String(data.id), String(data.reason ?? ""));
    amend((entry) => entry.grantId === data.id, { url: null, lostId: String(data.id), grantId: null });
  }
  if (event === "grant.changed" && data.id) remember(replaced, String(data.id), true);
  if (event === "resync") reload();
});

function remember<T>(book: Signal<ReadonlyMap<string, T>>, id: string, what: T): void {
  const kept = [...book.value].slice(-ENDS_KEPT);
  book.value = new Map(kept).set(id, what);
}

function start(): void {
  underWay.abort();
  underWay = new AbortController();
  barren = 0;
}

function leave(): void {
  const now = folder.value;
  if (!now || now.fresh) return;
  const name = placeOf(now.source, now.prefix);
  places.delete(name);
  places.set(name, {
    pages: emptied(now.pages),
    q: now.q,
    selected: selected.value,
    // Before the folder was drawn again after another panel, the wish is where it was.
    top: scrolled.wish || scrolled.top,
  });
  const oldest = places.size > PLACES_KEPT ? places.keys().next().value : undefined;
  if (oldest !== undefined) places.delete(oldest);
}

const placeOf = (source: string, prefix: string): string => `${source}\n${prefix}`;

async function load(want: Want, anew = false): Promise<void> {
  const asked = folder.value;
  if (!asked) return;
  const { signal } = underWay;
  try {
    const page = await list(asked.source, asked.prefix, asked.q, want, signal);
    const now = folder.value;
    if (signal.aborted || !now) return;
    note(page.entries);
    uses += 1;
    barren = page.entries.length === 0 ? barren + 1 : 0;
    folder.value = {
      ...now,
      pages: placed(anew ? NOTHING : now.pages, want, page, uses),
      busy: false,
      fresh: false,
      paused: barren >= BARREN_AT_MOST,
    };
  } catch (cause) {
    if (signal.aborted || !folder.value) return;
    const unlistable = isUnlistable(cause);
    const trouble = unlistable ? null : troubleOf(cause, "This folder could not be listed");
    folder.value = { ...folder.value, busy: false, fresh: false, trouble, unlistable };
  }
}

function list(
  source: string,
  prefix: string,
  q: Search,
  { after, limit }: Want,
  signal?: AbortSignal,
): Promise<Listing> {
  const asked = new URLSearchParams({ prefix, limit: String(limit) });
  if (q.text) asked.set(q.starts ? "starts" : "q", q.text);
  if (after !== null) asked.set("after", after);
  return door.read<Listing>(`/api/sources/${encodeURIComponent(source)}/list?${asked}`, signal);
}

export function note(entries: readonly Entry[]): void {
  if (sizes.size > SIZES_KEPT) sizes.clear();
  for (const { grantId, size } of entries) if (grantId && size !== null) sizes.set(grantId, size);
}
