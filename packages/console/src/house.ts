// What every panel shares: the door, the daemon's state, and the facts its event stream keeps fresh.

import { signal } from "@preact/signals";
import { takeActivity, watchActivity } from "./activity";
import { type Denied, troubleOf } from "./denial";
import { Door } from "./door";
import { follow, type Link } from "./events";
import { listed, without } from "./flow";
import { type Live, merged, read } from "./live";
import type { AuditEvent, AuditPage, Grant, GrantsPage, Source, State } from "./wire";

export const door = new Door({
  fetch: (url, init) => fetch(url, init),
  storage: sessionStorage,
  hash: () => location.hash,
  cleanHash: () => history.replaceState(null, "", `${location.pathname}#/media`),
  active: takeActivity,
});

export type Entrance = { at: "opening" } | { at: "inside" } | { at: "outside"; cause: Denied | null };

export const entrance = signal<Entrance>({ at: "opening" });
export const state = signal<State | null>(null);
export const link = signal<Link>({ state: "connecting" });
export const live = signal<Live>(new Map());
/** How many more are in use than are listed in `live`. */
export const unlisted = signal(0);
export const sources = signal<Source[] | null>(null);
export const sourcesTrouble = signal<ReturnType<typeof troubleOf> | null>(null);
/** The newest decisions first, as the stream brought them. */
export const recent = signal<AuditEvent[]>([]);
/** Said aloud by screen readers and shown for a moment. */
export const said = signal<{ text: string; bad: boolean; n: number } | null>(null);

const RECENT_KEPT = 200;

type Heard = (event: string, data: Record<string, unknown>) => void;
const listeners = new Set<Heard>();

/** Hears every event of the stream, and `back` when what is shown is to be read again; returns how to stop. */
export function onEvent(heard: Heard): () => void {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

let sayings = 0;
export function say(text: string, bad = false): void {
  sayings += 1;
  said.value = { text, bad, n: sayings };
}

/** Says what was not done, why, and what helps. */
export function complain(cause: unknown, what: string): void {
  const { what: said, why, advice, command } = troubleOf(cause, what);
  say(`${said}. ${why}. ${advice}${command ? ` ${command}` : ""}`, true);
}

export async function enter(): Promise<void> {
  door.onOver((cause) => {
    entrance.value = { at: "outside", cause };
  });
  const opening = await door.open();
  if (!opening.open) {
    entrance.value = { at: "outside", cause: opening.cause };
    return;
  }
  entrance.value = { at: "inside" };
  watchActivity(() => void loadState());
  const stop = new AbortController();
  void follow(
    {
      dial: (lastId, signal) => door.stream("/api/events", lastId, signal),
      heard: (event, data) => hear(event, (data ?? {}) as Record<string, unknown>),
      link: (now) => {
        const back = now.state === "live" && link.value.state !== "live";
        link.value = now;
        if (back) reload();
      },
    },
    stop.signal,
  );
  addEventListener("pagehide", () => stop.abort(), { once: true });
}

export async function loadSources(): Promise<void> {
  try {
    sources.value = (await door.read<{ sources: Source[] }>("/api/sources")).sources;
    sourcesTrouble.value = null;
  } catch (cause) {
    sourcesTrouble.value = troubleOf(cause, "The sources could not be listed");
  }
}

async function loadState(): Promise<void> {
  try {
    state.value = await door.read<State>("/api/state");
  } catch {
    // The link's own state already says that the daemon is away.
  }
}

/** Pages of grants that somebody wants to see. */
let pages = 1;

async function listGrants(): Promise<void> {
  const page = (after: string | null): Promise<GrantsPage> =>
    door.read(`/api/grants?active=true${after ? `&after=${encodeURIComponent(after)}` : ""}`);
  const { grants, left } = await read(page, pages);
  live.value = listed(live.value, grants, Date.now());
  unlisted.value = left;
}

async function loadGrants(): Promise<void> {
  try {
    await listGrants();
  } catch {
    // As above: the next event or reconnect loads them again.
  }
}

/** Lists one page more of what is in use. */
export async function listMore(): Promise<void> {
  pages += 1;
  try {
    await listGrants();
  } catch (cause) {
    pages -= 1;
    complain(cause, "The other URLs were not listed");
  }
}

/** What was decided before this page opened; the stream brings the rest. */
async function loadRecent(): Promise<void> {
  try {
    const { events } = await door.read<AuditPage>("/api/audit?limit=20");
    remember(events);
  } catch {
    // The Audit panel reads the log itself and says what is wrong.
  }
}

/** Replays and listings overlap: one sequence number is one decision. */
function remember(events: readonly AuditEvent[]): void {
  const known = new Set(recent.value.map((event) => event.seq));
  const missed = events.filter((event) => !known.has(event.seq));
  recent.value = [...missed, ...recent.value].sort((a, b) => b.seq - a.seq).slice(0, RECENT_KEPT);
}

function reload(): void {
  void loadState();
  void loadRecent();
  void loadSources();
  void loadGrants();
  tell("back", {});
}

function tell(event: string, data: Record<string, unknown>): void {
  for (const heard of listeners) heard(event, data);
}

let changes: ReturnType<typeof setTimeout> | undefined;

function hear(event: string, data: Record<string, unknown>): void {
  switch (event) {
    case "grant.stats":
      live.value = merged(live.value, data.grants as Grant[], Date.now());
      break;
    case "grant.revoked":
      live.value = without(live.value, String(data.id));
      break;
    case "grant.changed":
      clearTimeout(changes);
      changes = setTimeout(() => void loadGrants(), 150);
      break;
    case "audit":
      remember([data.event as AuditEvent]);
      break;
    case "source.added":
    case "source.changed":
      shelve(data.source as Source);
      break;
    case "session.joined":
      say("Another tab joined this session.");
      void loadState();
      break;
    case "session.ended":
      door.forget();
      break;
    case "resync":
      reload();
      break;
  }
  tell(event, data);
}

export function shelve(source: Source): void {
  const known = sources.value ?? [];
  const at = known.findIndex((one) => one.id === source.id);
  sources.value = at < 0 ? [...known, source] : known.with(at, source);
}

export async function signOut(): Promise<void> {
  try {
    await door.post("/api/session/revoke");
  } catch {
    // The tab forgets its keys either way; the daemon's idle clock ends the rest.
  }
  door.forget();
}
