import { signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { door, onEvent } from "../house";
import type { AuditEvent, AuditPage } from "../wire";
import { arrived, EMPTY, type Filter, loaded, matches, type Tail } from "./tail";

export const tail = signal<Tail>(EMPTY);
export const chain = signal<AuditPage["chain"] | null>(null);
export const trouble = signal<Trouble | null>(null);
export const busy = signal(false);
/** The sequence number below which nothing was asked for yet; 0 at the log's beginning. */
export const reached = signal(0);

const PAGE = 200;

let filter: Filter = { kind: "", surface: "" };

onEvent((event, data) => {
  if (event === "resync") void open(filter);
  if (event !== "audit") return;
  const decision = data.event as AuditEvent;
  if (matches(decision, filter)) tail.value = arrived(tail.value, decision);
});

/** Starts with the newest page under a filter; a pause stays a pause. */
export function open(to: Filter): Promise<void> {
  filter = to;
  tail.value = { ...EMPTY, paused: tail.value.paused };
  return read(null);
}

/** The log is read forwards from a number: a page back starts a page before what is shown. */
export function earlier(): Promise<void> {
  return read(Math.max(0, reached.value - 1 - PAGE));
}

async function read(after: number | null): Promise<void> {
  const asked = filter;
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (after !== null) query.set("after", String(after));
  if (asked.kind) query.set("kind", asked.kind);
  if (asked.surface) query.set("surface", asked.surface);
  busy.value = true;
  try {
    const page = await door.read<AuditPage>(`/api/audit?${query}`);
    if (asked !== filter) return;
    tail.value = loaded(tail.value, page.events);
    const first = page.events[0]?.seq ?? 1;
    // Under a filter the newest page may already be all there is.
    reached.value = after === null ? (page.events.length < PAGE ? 0 : first) : after === 0 ? 0 : after + 1;
    chain.value = page.chain;
    trouble.value = null;
  } catch (cause) {
    trouble.value = troubleOf(cause, "The audit log could not be read");
  } finally {
    busy.value = false;
  }
}
