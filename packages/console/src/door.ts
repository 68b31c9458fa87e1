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

/** An answer that gives the session a new id: its cookie comes beside it. */
export interface Turned {
  csrf: string | null;
}

const SHELF = "doorward.keys";
const OLD = new Set(["browserSessionExpired", "csrfMismatch"]);
const TICKET = /^#ticket=([A-Za-z0-9_-]+)$/;

export class Door {
  #keys: Keys | null = null;
  #onOver: (cause: Denied | null) => void = () => {};
  /** What may give the session a new id while it is under way. */
  #turning: Promise<unknown> | null = null;

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

  async read<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await this.#call("GET", path, undefined, signal)).json() as Promise<T>;
  }

  async readText(path: string): Promise<string> {
    return (await this.#call("GET", path)).text();
  }

  async post<T>(path: string, body: unknown = {}): Promise<T> {
    return (await this.#call("POST", path, body)).json() as Promise<T>;
  }

  /** A post whose answer may give the session a new id, and this tab a new CSRF token. */
  turn<T extends Turned>(path: string, body: unknown): Promise<T> {
    const turning = this.#turn<T>(path, body);
    const settled = turning.catch(() => {});
    this.#turning = settled;
    void settled.then(() => {
      if (this.#turning === settled) this.#turning = null;
    });
    return turning;
  }

  async remove<T>(path: string): Promise<T> {
    return (await this.#call("DELETE", path)).json() as Promise<T>;
  }

  /** The event stream's request. It never counts as activity. */
  stream(path: string, lastId: string | null, signal: AbortSignal): Promise<Response> {
    return this.#judged(() => {
      const headers = this.#headers("GET");
      if (lastId !== null) headers.set("last-event-id", lastId);
      return this.#send("GET", path, headers, undefined, signal);
    });
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
    this.#keep({ proof, csrf, content });
  }

  async #turn<T extends Turned>(path: string, body: unknown): Promise<T> {
    const answer = await this.#call("POST", path, body, undefined, false);
    const turned = (await answer.json()) as T;
    if (turned.csrf !== null && this.#keys) this.#keep({ ...this.#keys, csrf: turned.csrf });
    return turned;
  }

  #keep(keys: Keys): void {
    this.#keys = keys;
    this.around.storage.setItem(SHELF, JSON.stringify(keys));
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

  #call(method: Method, path: string, body?: unknown, signal?: AbortSignal, waits = true): Promise<Response> {
    const active = this.around.active();
    const sent = body === undefined ? undefined : JSON.stringify(body);
    return this.#judged(() => {
      const headers = this.#headers(method);
      if (sent !== undefined) headers.set("content-type", "application/json");
      if (active) headers.set("x-doorward-active", "1");
      return this.#send(method, path, headers, sent, signal);
    }, waits);
  }

  /**
   * A good answer. What was refused for an id or a token that the session had until just now is asked once more:
   * such a refusal comes before anything is done. What turns the session itself does not wait for that.
   */
  async #judged(ask: () => Promise<Response>, waits = true): Promise<Response> {
    const before = this.#keys;
    const answer = await ask();
    if (answer.ok) return answer;
    const denial = await denialOf(answer);
    if (!(await this.#isOld(denial, before, waits))) throw this.#over(denial);
    const again = await ask();
    if (!again.ok) throw this.#over(await denialOf(again));
    return again;
  }

  /** Another tab may have turned the session too: the browser has its cookie, and nobody tells this one. */
  async #isOld(denial: Denied, before: Keys | null, waits: boolean): Promise<boolean> {
    if (!before || !OLD.has(denial.denial)) return false;
    if (waits) await this.#turning;
    return this.#keys !== null && (denial.sessionOver || this.#keys !== before);
  }

  #over(denial: Denied): Denied {
    if (denial.sessionOver) this.forget(denial);
    return denial;
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
