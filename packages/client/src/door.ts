import { type Bytes, utf8 } from "./bytes.js";
import { Drives } from "./drives.js";
import { DoorwardError, refusal } from "./errors.js";
import { Events, type Listener } from "./events.js";
import { browserStore, type KeyStore, type Pairing } from "./keys.js";
import { type Asking, pair, type Waiting } from "./pair.js";
import { type Scope, VERSION } from "./pairing.js";
import { discover, type Found, type Permission, permission, reach } from "./reach.js";
import { isAuthentic, sign } from "./signing.js";
import { type Watcher, Watches } from "./watch.js";

/**
 * How the page and this computer stand.
 *
 * - `unavailable`: no companion answers.
 * - `permission-needed`: the browser has to ask its user first (`door.retry()` from a
 *   click), or was told no.
 * - `unpaired`: a companion is there, and does not know this page.
 * - `pending`: the person is comparing digits.
 * - `paired`: it proved itself, and signed requests work.
 * - `repair-required`: this page was paired, and the browser lost its key.
 * - `clock-skew`: the clocks differ even after the correction.
 * - `revoked`: the page holds a key that the companion no longer takes.
 * - `version-mismatch`: it speaks another version than this library.
 */
export type State =
  | "unavailable"
  | "permission-needed"
  | "unpaired"
  | "pending"
  | "paired"
  | "repair-required"
  | "clock-skew"
  | "revoked"
  | "version-mismatch";

export interface ConnectOptions {
  /** Where the companion may listen. */
  ports?: readonly number[];
  /** Where the key is kept; this browser profile's IndexedDB. */
  store?: KeyStore;
}

/** A value that is told to whoever subscribes, at once and at each change. */
export interface Observable<T> {
  readonly value: T;
  subscribe(listener: (value: T) => void): () => void;
}

/** What a signed request may say. There are no streams: a grant is the way for those. */
export interface DoorInit {
  method?: string;
  /** Text, bytes, or something to send as JSON. */
  body?: string | Uint8Array | Record<string, unknown> | readonly unknown[];
  contentType?: string;
  /** Where a chunk of an upload begins, in bytes. */
  offset?: number;
  signal?: AbortSignal;
}

/** An upstream behind a URL of its own. */
export interface OpenRelay {
  url: string;
  id: string;
  /** RFC 3339. */
  expiresAt: string;
}

/** The ports that the companion tries, in its order. */
export const PORTS: readonly number[] = [7319, 7320, 7321, 7322, 7323];

/** Finds the companion of this computer. Never fails: `state` says how it stands. */
export async function connect(options: ConnectOptions = {}): Promise<Door> {
  const door = new Door(options);
  await door.retry({ asks: false });
  return door;
}

/** The way to the companion of this computer. */
export class Door {
  readonly #ports: readonly number[];
  readonly #store: KeyStore;
  readonly #listeners = new Set<(state: State) => void>();
  readonly #events: Events;
  readonly #watches: Watches;
  #state: State = "unavailable";
  #found: Found | null = null;
  #pairing: Pairing | null = null;
  /** Attempts whose digits are shown. */
  #waiting = 0;
  /** Seconds by which the companion's clock is ahead of ours; by its signed word. */
  #ahead = 0;

  constructor({ ports = PORTS, store = browserStore }: ConnectOptions = {}) {
    this.#ports = ports;
    this.#store = store;
    const ticket = async (route: string) => {
      const init = { method: "POST", body: { route } };
      const { ticket } = await this.call<{ ticket: string }>("/ws/ticket", init);
      return { ticket, listen: this.#must().listen };
    };
    this.#events = new Events({ ticket, ended: () => this.#revoked() });
    this.#watches = new Watches(ticket);
  }

  /** How page and computer stand. */
  get state(): Observable<State> {
    const door = this;
    return {
      get value() {
        return door.#state;
      },
      subscribe(listener) {
        door.#listeners.add(listener);
        listener(door.#state);
        return () => door.#listeners.delete(listener);
      },
    };
  }

  /** What the person granted; nothing unless paired. */
  get scopes(): readonly Scope[] {
    return this.#pairing?.scopes ?? [];
  }

  /** Whether a page may ask to be paired now: `window` needs a gesture in the companion first. */
  get pairing(): Found["pairing"] | null {
    return this.#found?.pairing ?? null;
  }

  /** What the browser's user said to requests to this computer. */
  permission(): Promise<Permission> {
    return permission();
  }

  /**
   * Looks for the companion again. From a click it may make the browser ask its
   * user; with `asks: false` it never does.
   */
  async retry({ asks = true }: { asks?: boolean } = {}): Promise<State> {
    const state = await this.#look(await this.#store.load(), asks);
    const asking = this.#waiting > 0 && ["unpaired", "repair-required", "revoked"].includes(state);
    return this.#becomes(asking ? "pending" : state);
  }

  /** How page and computer stand, with this key. */
  async #look(kept: Pairing | "lost" | null, asks: boolean): Promise<State> {
    this.#pairing = kept === "lost" ? null : kept;
    this.#found = null;
    const allowed = await permission();
    if (allowed === "denied" || (allowed === "prompt" && !asks)) return "permission-needed";
    const found = await discover(this.#ports, this.#pairing, allowed === "prompt");
    this.#found = found;
    if (!found) return (await permission()) === "granted" ? "unavailable" : "permission-needed";
    if (!found.speaksOurs) return "version-mismatch";
    if (found.proven) return "paired";
    if (this.#pairing) return "revoked";
    return kept === "lost" ? "repair-required" : "unpaired";
  }

  /**
   * Asks to be paired. The person compares the digits here with those in the
   * companion's own window, confirms here and approves there, in either order.
   *
   * Fails with the companion's refusal (`pairingBusy`, `gestureNeeded`,
   * `pairingOff`, ...) before anything is shown.
   */
  async pair(asking: Asking): Promise<Waiting> {
    if (!this.#found) await this.retry();
    const found = this.#must();
    if (!found.speaksOurs) {
      throw new DoorwardError("version-mismatch", `The companion speaks another version than ${VERSION}.`);
    }
    const before = this.#state;
    const waiting = await pair(found.listen, asking);
    this.#waiting += 1;
    this.#becomes("pending");
    const done = waiting.done
      .then(({ scopes, ...keys }) => this.#keep({ ...keys, scopes, since: Date.now() }))
      .then(
        (state) => {
          this.#waiting -= 1;
          this.#becomes(state);
        },
        (cause) => {
          this.#waiting -= 1;
          this.#becomes(before);
          throw cause;
        },
      );
    // Whoever does not wait for it hears of it by `state`.
    done.catch(() => {});
    return { ...waiting, done };
  }

  /**
   * A signed request. The answer's status is the companion's; an answer that it did
   * not sign is an error (`not-authentic`), whatever it says.
   *
   * Sent once, and once more only where the companion itself said that it did not
   * act: after a restart, and with clocks that differ.
   */
  async fetch(path: string, init: DoorInit = {}): Promise<Response> {
    if (!this.#found?.proven) await this.retry({ asks: false });
    const first = await this.#send(path, init);
    if (first.again === undefined) return first.answer;
    const second = await this.#send(path, init);
    if (second.again === undefined) return second.answer;
    if (second.again === "clockSkew") this.#becomes("clock-skew");
    throw refusal(second.answer.status, await second.answer.json());
  }

  /** As `fetch`, for JSON: resolves with the body, and fails with the refusal. */
  async call<T>(path: string, init: DoorInit = {}): Promise<T> {
    const answer = await this.fetch(path, init);
    const body: unknown = await answer.json();
    if (!answer.ok) throw refusal(answer.status, body);
    return body as T;
  }

  /** What the companion tells as it happens. Comes back by itself; the result ends it. */
  listen(listener: Listener): () => void {
    return this.#events.listen(listener);
  }

  /**
   * Tells `watcher` what changes in a directory that this page may read, until the
   * result is called. It comes back by itself; what was missed is told as `resync`.
   */
  watch(folder: string, path: string, watcher: Watcher): () => void {
    return this.#watches.watch(folder, path, watcher);
  }

  /** The folders that the person shares with this page. */
  readonly drives = new Drives({
    call: (path, init) => this.call(path, init),
    listen: (listener) => this.listen(listener),
    run: () => this.#found?.instance ?? "",
  });

  /** WebSocket upstreams that leave through this computer's own network: its VPN, its proxies. */
  readonly relay = {
    /**
     * The `ws://127.0.0.1` URL of an upstream that the companion's configuration names
     * for this page's origin (`[[relay]]`). It ends with the pairing, or at
     * `expiresAt`. Fails with `notFound` if no upstream of that name is for this page.
     */
    url: async (name: string): Promise<string> => (await this.relay.open(name)).url,
    /** As `url`, with the name under which it can be revoked, and when it ends. */
    open: (name: string): Promise<OpenRelay> => this.call("/relays", { method: "POST", body: { name } }),
  };

  /** Ends the pairing, on both sides. */
  async forget(): Promise<void> {
    if (this.#pairing) await this.#end();
    await this.#store.clear();
    this.#pairing = null;
    this.#silent();
    this.#unproven();
    this.#becomes("unpaired");
  }

  async #end(): Promise<void> {
    await this.call("/pairing", { method: "DELETE" });
  }

  /** Keeps a key that both sides proved; one that cannot be kept is ended there too. */
  async #keep(pairing: Pairing): Promise<State> {
    const state = await this.#look(pairing, false);
    try {
      await this.#store.save(pairing);
    } catch (cause) {
      await this.#end().catch(() => {});
      this.#pairing = null;
      this.#unproven();
      throw cause;
    }
    return state;
  }

  #must(): Found {
    if (this.#found) return this.#found;
    const code = this.#state === "permission-needed" ? this.#state : "unavailable";
    throw new DoorwardError(code, "No companion answers on this computer.");
  }

  #becomes(state: State): State {
    if (state !== this.#state) {
      this.#state = state;
      if (state === "paired") {
        this.#events.soon();
        this.#watches.soon();
      }
      for (const listener of [...this.#listeners]) listener(state);
    }
    return state;
  }

  /** What is there no longer has our key. */
  #unproven(): void {
    if (this.#found) this.#found = { ...this.#found, proven: false };
  }

  #silent(): void {
    this.#events.stop();
    this.#watches.stop();
  }

  #revoked(): void {
    this.#silent();
    this.#unproven();
    this.#becomes("revoked");
  }

  async #send(
    path: string,
    init: DoorInit,
  ): Promise<{ answer: Response; again?: "clockSkew" | "instanceChanged" }> {
    const found = this.#must();
    const keys = this.#pairing;
    if (!keys || !found.proven) {
      throw new DoorwardError(
        this.#state === "revoked" ? "revoked" : "unpaired",
        "This page is not paired with this computer.",
      );
    }
    const url = new URL(path, `http://${found.listen}`);
    if (url.host !== found.listen)
      throw new DoorwardError("malformed", "A path, not a URL of another place.");
    const method = (init.method ?? "GET").toUpperCase();
    const body = content(init);
    const now = Date.now() / 1_000 + this.#ahead;
    const { headers, nonce } = await sign(
      { method, url, origin: location.origin, instance: found.instance, body },
      keys,
      now,
    );
    let answer: Response;
    try {
      answer = await reach(url, {
        method,
        headers,
        ...(body && { body: body.bytes }),
        ...(init.signal && { signal: init.signal }),
      });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw await this.#unanswered(cause);
    }
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const { status } = answer;
    const authentic = await isAuthentic(keys, nonce, { status, headers: answer.headers, body: bytes });
    const whole = new Response(bytes.length > 0 ? bytes : null, { status, headers: answer.headers });
    const said = status === 401 ? denial(bytes) : null;
    if (said?.denial === "clockSkew" && authentic && typeof said.now === "number") {
      this.#ahead = said.now - Date.now() / 1_000;
      return { answer: whole, again: "clockSkew" };
    }
    if (said?.denial === "instanceChanged") {
      // Not proven by this answer; the next hello is.
      if ((await this.retry({ asks: false })) === "paired")
        return { answer: whole, again: "instanceChanged" };
    }
    if (!authentic) {
      const state = await this.retry({ asks: false });
      if (state !== "paired") {
        throw new DoorwardError(state, "The companion does not take this page's key.", { status });
      }
      throw new DoorwardError("not-authentic", "The answer is not the companion's.", { status });
    }
    if (this.#state === "clock-skew") this.#becomes("paired");
    return { answer: whole };
  }

  /** Why there was no answer. A companion that forgot the page does not let it read why. */
  async #unanswered(cause: unknown): Promise<DoorwardError> {
    const state = await this.retry({ asks: false });
    if (state === "revoked") {
      return new DoorwardError("revoked", "The companion does not take this page's key.", { cause });
    }
    const code = state === "paired" ? "unavailable" : state;
    return new DoorwardError(code, "The request was not answered; whether it was acted on is not known.", {
      cause,
    });
  }
}

function content({ body, contentType, offset }: DoorInit) {
  if (body === undefined) return undefined;
  const more = offset === undefined ? {} : { offset };
  if (typeof body === "string")
    return { type: contentType ?? "text/plain;charset=utf-8", bytes: utf8(body), ...more };
  if (body instanceof Uint8Array) {
    return { type: contentType ?? "application/octet-stream", bytes: new Uint8Array(body) as Bytes, ...more };
  }
  return { type: contentType ?? "application/json", bytes: utf8(JSON.stringify(body)), ...more };
}

function denial(bytes: Bytes): { denial?: unknown; now?: unknown } | null {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
