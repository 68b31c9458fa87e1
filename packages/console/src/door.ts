// The session with the daemon: trades the launch ticket for a tab proof, keeps the proof in sessionStorage, and is
// the only code that calls `/api`. Refuses nothing itself; every refusal of the daemon becomes a `Denied`.

import { Denied, denialOf, unreachable } from "./denial";
import type { Claimed, State } from "./wire";

export interface Keys {
  proof: string;
  csrf: string;
  content: string;
}

/** What the door needs from the page; tests give it their own. */
export interface Surroundings {
  fetch: (url: string, init?: RequestInit) => Promise<Response>;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** The location's fragment, `#` included. */
  hash: () => string;
  /** Takes the ticket out of the address bar and the history. */
  cleanHash: () => void;
  /** True once after real input since the last call. */
  active: () => boolean;
}

export type Opening = { open: true } | { open: false; cause: Denied | null };

type Method = "GET" | "POST" | "DELETE";

const SHELF = "doorward.keys";
const TICKET = /^#ticket=([A-Za-z0-9_-]+)$/;

export class Door {
  #keys: Keys | null = null;
  #onOver: (cause: Denied | null) => void = () => {};

  constructor(private readonly around: Surroundings) {}

  /** Called once when the session ends for a reason that only a new ticket can mend. */
  onOver(then: (cause: Denied | null) => void): void {
    this.#onOver = then;
  }

  /**
   * Opens the session. A ticket leaves the address bar before anything else happens. A stored proof that still
   * works wins over a ticket; one that does not is dropped, and the ticket tried.
   */
  async open(): Promise<Opening> {
    const ticket = this.#takeTicket();
    this.#keys = recall(this.around.storage);
    if (this.#keys && (await this.#stillGood(ticket !== null))) return { open: true };
    if (ticket === null) return { open: false, cause: null };
    try {
      await this.#claim(ticket);
      return { open: true };
    } catch (cause) {
      return { open: false, cause: cause instanceof Denied ? cause : unreachable() };
    }
  }

  get content(): string | null {
    return this.#keys?.content ?? null;
  }

  read<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#call<T>("GET", path, undefined, signal);
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#call<T>("POST", path, body);
  }

  remove<T>(path: string): Promise<T> {
    return this.#call<T>("DELETE", path);
  }

  /** The event stream's request. It never counts as activity. */
  async stream(path: string, lastId: string | null, signal: AbortSignal): Promise<Response> {
    const headers = this.#headers("GET");
    if (lastId !== null) headers.set("last-event-id", lastId);
    const answer = await this.#send("GET", path, headers, undefined, signal);
    if (!answer.ok) throw await this.#judge(answer);
    return answer;
  }

  /** Ends the session in this tab without asking the daemon. */
  forget(cause: Denied | null = null): void {
    if (!this.#keys) return;
    this.#keys = null;
    this.around.storage.removeItem(SHELF);
    this.#onOver(cause);
  }

  async #claim(ticket: string): Promise<void> {
    const headers = new Headers({ "content-type": "application/json" });
    const answer = await this.#send("POST", "/api/session/claim", headers, JSON.stringify({ ticket }));
    if (!answer.ok) throw await denialOf(answer);
    const { proof, csrf, content } = (await answer.json()) as Claimed;
    this.#keys = { proof, csrf, content };
    this.around.storage.setItem(SHELF, JSON.stringify(this.#keys));
  }

  /** Without a ticket to fall back on, only a clear "over" closes the door; a daemon that is away may come back. */
  async #stillGood(haveTicket: boolean): Promise<boolean> {
    try {
      const headers = this.#headers("GET");
      const answer = await this.#send("GET", "/api/state", headers);
      if (answer.ok) {
        const state = (await answer.json()) as State;
        if (this.#keys) this.#keys = { ...this.#keys, content: state.content };
        return true;
      }
      const denial = await denialOf(answer);
      if (!haveTicket && !denial.sessionOver && denial.status !== 401) return true;
    } catch {
      if (!haveTicket) return true;
    }
    this.#keys = null;
    this.around.storage.removeItem(SHELF);
    return false;
  }

  async #call<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const headers = this.#headers(method);
    if (body !== undefined) headers.set("content-type", "application/json");
    if (this.around.active()) headers.set("x-doorward-active", "1");
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await this.#send(method, path, headers, sent, signal);
    if (!answer.ok) throw await this.#judge(answer);
    return (await answer.json()) as T;
  }

  #headers(method: Method): Headers {
    const headers = new Headers({ accept: "application/json" });
    if (!this.#keys) return headers;
    headers.set("x-doorward-proof", this.#keys.proof);
    if (method !== "GET") headers.set("x-csrf-token", this.#keys.csrf);
    return headers;
  }

  async #send(
    method: Method,
    path: string,
    headers: Headers,
    body?: string,
    signal?: AbortSignal,
  ): Promise<Response> {
    try {
      // No `mode: "same-origin"`: with `no-referrer` it would make a POST say `Origin: null`.
      return await this.around.fetch(path, {
        method,
        headers,
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
        referrerPolicy: "no-referrer",
        ...(body === undefined ? {} : { body }),
        ...(signal ? { signal } : {}),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw unreachable();
    }
  }

  async #judge(answer: Response): Promise<Denied> {
    const denial = await denialOf(answer);
    if (denial.sessionOver || denial.status === 401) this.forget(denial);
    return denial;
  }

  #takeTicket(): string | null {
    const hash = this.around.hash();
    const ticket = TICKET.exec(hash)?.[1] ?? null;
    if (hash.startsWith("#ticket")) this.around.cleanHash();
    return ticket;
  }
}

function recall(storage: Surroundings["storage"]): Keys | null {
  try {
    const kept: unknown = JSON.parse(storage.getItem(SHELF) ?? "null");
    if (kept === null || typeof kept !== "object") return null;
    const { proof, csrf, content } = kept as Record<string, unknown>;
    if (typeof proof !== "string" || typeof csrf !== "string" || typeof content !== "string") return null;
    return { proof, csrf, content };
  } catch {
    return null;
  }
}
