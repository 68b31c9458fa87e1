// What changes in folders, told as it happens: one socket for all that is watched.

import { DoorwardError } from "./errors.js";
import { type Message, Socket, type Ticket } from "./socket.js";

/** One name in the directory that is watched. */
export interface Change {
  name: string;
  what: "created" | "changed" | "removed" | "renamed";
  /** The name before. */
  from?: string;
}

/**
 * What a watcher hears.
 *
 * - `ready`: from now on nothing is missed without being told. List the directory now.
 * - `changed`: these names, in order. Look at each anew: what came and went is told as it is now.
 * - `resync`: something was missed; list the directory again.
 * - `lost`: the companion is not heard for now. It comes back by itself.
 * - `back`: it is, and what was missed follows.
 * - `gone`: the directory is no more, or this page may not read it any more (`removed`, `moved`,
 *   `unmounted`, `notAllowed`, `unreadable`, `failed`). The last word.
 * - `refused`: it is not watched, and why. The last word.
 */
export type WatchEvent =
  | { kind: "ready" | "lost" | "back" }
  | { kind: "changed"; changes: readonly Change[] }
  | { kind: "resync"; why: string }
  | { kind: "gone"; why: string }
  | { kind: "refused"; error: DoorwardError };

export type Watcher = (event: WatchEvent) => void;

/** Silence after which the companion is asked whether it is there, in milliseconds. */
const QUIET = 30_000;
/** Within which it has to say so. */
const ANSWER_WITHIN = 10_000;

/** A directory that is watched, by whoever listens. */
interface Watched {
  id: string;
  folder: string;
  path: string;
  watchers: Set<Watcher>;
  /** How far it was heard, and in which run of the watch. */
  since: { epoch: string; sequence: number } | null;
  /** It is subscribed on the socket that is open. */
  ready: boolean;
}

export class Watches {
  readonly #watched = new Map<string, Watched>();
  readonly #socket: Socket;
  #count = 0;
  /** The companion spoke on the socket that is open. */
  #greeted = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(ticket: Ticket) {
    this.#socket = new Socket("/watch", {
      ticket,
      heard: (message) => this.#heard(message),
      lost: () => {
        clearTimeout(this.#quiet);
        this.#greeted = false;
        for (const one of [...this.#watched.values()]) {
          if (one.ready) tell(one, { kind: "lost" });
          one.ready = false;
        }
      },
    });
  }

  watch(folder: string, path: string, watcher: Watcher): () => void {
    const name = JSON.stringify([folder, path]);
    let one = this.#watched.get(name);
    if (!one) {
      this.#count += 1;
      one = { id: `w${this.#count}`, folder, path, watchers: new Set(), since: null, ready: false };
      this.#watched.set(name, one);
      if (this.#watched.size === 1) void this.#socket.open();
      else if (this.#greeted) this.#subscribe(one);
    } else if (one.ready) {
      queueMicrotask(() => watcher({ kind: "ready" }));
    }
    const watched = one;
    watched.watchers.add(watcher);
    return () => {
      if (!watched.watchers.delete(watcher) || watched.watchers.size > 0) return;
      if (this.#watched.get(name) !== watched) return;
      this.#watched.delete(name);
      if (this.#watched.size === 0) this.stop();
      else this.#socket.send({ action: "unsubscribe", id: watched.id });
    };
  }

  /** Opens the socket now, if it waits. */
  soon(): void {
    this.#socket.soon();
  }

  /** Closes the socket, for good unless somebody watches anew. */
  stop(): void {
    clearTimeout(this.#quiet);
    this.#greeted = false;
    this.#watched.clear();
    this.#socket.close();
  }

  #subscribe({ id, folder, path, since }: Watched): void {
    this.#socket.send({ action: "subscribe", id, folder, path, ...(since && { since }) });
  }

  #heard(message: Message): void {
    this.#listensFor();
    if (message.kind === "hello") {
      this.#greeted = true;
      for (const one of this.#watched.values()) this.#subscribe(one);
    }
    const [name, one] = [...this.#watched].find(([, { id }]) => id === message.id) ?? [];
    if (!name || !one) return;
    if (message.kind === "subscribed") this.#subscribed(one, message);
    if (message.kind === "changed" || message.kind === "resync") this.#moved(one, message);
    if (message.kind === "gone" || message.kind === "refused") this.#over(name, one, message);
  }

  #subscribed(one: Watched, { epoch, sequence }: Message): void {
    if (typeof epoch !== "string" || typeof sequence !== "number") return;
    const known = one.since !== null;
    one.since = { epoch, sequence };
    one.ready = true;
    // What was missed follows, or a `resync` if it is not known.
    tell(one, { kind: known ? "back" : "ready" });
  }

  #moved(one: Watched, { kind, sequence, changes, why }: Message): void {
    if (!one.since || typeof sequence !== "number") return;
    const follows = sequence === one.since.sequence + 1;
    one.since.sequence = sequence;
    if (kind === "resync") tell(one, { kind: "resync", why: words(why) });
    else if (!follows) tell(one, { kind: "resync", why: "gap" });
    else if (Array.isArray(changes)) tell(one, { kind: "changed", changes });
  }

  #over(name: string, one: Watched, { kind, why, denial, message }: Message): void {
    this.#watched.delete(name);
    if (kind === "gone") tell(one, { kind, why: words(why) });
    else tell(one, { kind: "refused", error: new DoorwardError(words(denial), words(message)) });
    if (this.#watched.size === 0) this.stop();
  }

  /** A connection that ended without a word is noticed by its silence. */
  #listensFor(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#socket.send({ action: "ping" });
      this.#quiet = setTimeout(() => this.#socket.renew(), ANSWER_WITHIN);
    }, QUIET);
  }
}

function tell(one: Watched, event: WatchEvent): void {
  for (const watcher of [...one.watchers]) watcher(event);
}

const words = (value: unknown): string => (typeof value === "string" ? value : "unknown");
