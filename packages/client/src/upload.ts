// One file on its way into a folder: signed chunks to one place, which the companion
// keeps while the connection is gone, the person pauses, or it is started anew.

import type { DoorInit } from "./door.js";
import type { Entry, OnConflict } from "./entry.js";
import { DoorwardError } from "./errors.js";

export interface UploadOptions {
  /** What to do if something of the name is there; it fails with a `Conflict` unless said otherwise. */
  onConflict?: OnConflict;
  /** The date that the file keeps; a `File`'s own unless said otherwise. */
  modifiedAt?: Date;
  /** Hears at once and at each change how far it is. */
  onProgress?: (progress: UploadProgress) => void;
  /** Cancels it. */
  signal?: AbortSignal;
  /** The `id` of an upload of the same bytes that was begun before. */
  resume?: string;
}

/**
 * How far an upload is. `waiting`: the companion does not answer, and is tried again;
 * `finishing`: all bytes are there, and take their place.
 */
export interface UploadProgress {
  state: "sending" | "waiting" | "paused" | "finishing" | "done" | "failed" | "cancelled";
  /** Bytes that the companion has. */
  sent: number;
  size: number;
}

export interface UploadWays {
  call<T>(path: string, init?: DoorInit): Promise<T>;
}

/** What the companion says of an upload. */
interface Place {
  id: string;
  offset: number;
  chunkBytes: number;
}

/** Failures in a row without one byte more, before it is given up: about three minutes. */
const FAILURES = 12;
/** How often it is begun again from nothing, because the companion no longer knows it. */
const BEGINNINGS = 3;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 20_000;
/** Some drives keep dates to two seconds. */
const COARSE = 2_000;
/** Refusals that say: not now. */
const PASSING = [
  "unavailable",
  "rateLimited",
  "tooManyConnections",
  "requestTimeout",
  "folderBusy",
  "folderSlow",
  "folderAbsent",
];

/** An upload that runs. */
export class Upload {
  /** Resolves with the file as it stands there; fails with why not. */
  readonly done: Promise<Entry>;
  readonly #ways: UploadWays;
  readonly #to: { folder: string; path: string };
  readonly #blob: Blob;
  readonly #options: UploadOptions;
  readonly #date: Date | null;
  readonly #began = Date.now();
  readonly #stop = new AbortController();
  #progress: UploadProgress;
  #place: Place | null = null;
  #id: string | null;
  /** It was told to take its place, and the answer may have been lost. */
  #finishing = false;
  #paused = false;
  #wake: () => void = () => {};

  constructor(
    ways: UploadWays,
    to: { folder: string; path: string },
    blob: Blob,
    options: UploadOptions = {},
  ) {
    this.#ways = ways;
    this.#to = to;
    this.#blob = blob;
    this.#options = options;
    this.#date = options.modifiedAt ?? (blob instanceof File ? new Date(blob.lastModified) : null);
    this.#id = options.resume ?? null;
    this.#progress = { state: "sending", sent: 0, size: blob.size };
    const abort = () => this.cancel();
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    this.done = this.#run().finally(() => options.signal?.removeEventListener("abort", abort));
    // Whoever does not wait for it hears of it by its progress.
    this.done.catch(() => {});
  }

  /** Under which it can be resumed, by another page of this origin too. */
  get id(): string | null {
    return this.#id;
  }

  get progress(): UploadProgress {
    return this.#progress;
  }

  /** Sends nothing more after the chunk that is under way. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  /** Ends it; nothing of it stays. `done` fails with `cancelled`, unless it failed before. */
  cancel(): void {
    this.#stop.abort();
    this.#wake();
    if (this.#progress.state === "failed") void this.#discard();
  }

  async #run(): Promise<Entry> {
    try {
      const entry = await this.#send();
      this.#becomes("done", this.#blob.size);
      return entry;
    } catch (cause) {
      if (!this.#stop.signal.aborted) {
        this.#becomes("failed");
        throw cause;
      }
      await this.#discard();
      this.#becomes("cancelled");
      throw new DoorwardError("cancelled", "The upload was cancelled.", { cause });
    }
  }

  async #discard(): Promise<void> {
    if (this.#id) await this.#ways.call(this.#url(), { method: "DELETE" }).catch(() => {});
  }

  async #send(): Promise<Entry> {
    const { size } = this.#blob;
    let [failures, beginnings] = [0, 0];
    for (;;) {
      this.#stop.signal.throwIfAborted();
      if (this.#paused) await this.#unpaused();
      try {
        this.#place ??= this.#id ? await this.#asked() : await this.#begun();
        const { offset } = this.#place;
        this.#becomes(offset < size ? "sending" : "finishing", offset);
        if (offset >= size) return await this.#finished();
        this.#place = { ...this.#place, offset: await this.#chunk(this.#place) };
        failures = 0;
      } catch (cause) {
        if (this.#stop.signal.aborted) throw cause;
        // Whatever it was, how far the companion got is asked anew.
        this.#place = null;
        if (this.#finishing && isCode(cause, "uploadUnknown")) return await this.#landed(cause);
        if (isCode(cause, "uploadUnknown") && ++beginnings < BEGINNINGS) {
          this.#id = null;
          continue;
        }
        if (isCode(cause, "offsetMismatch") && ++failures <= FAILURES) continue;
        if (!isCode(cause, ...PASSING) || ++failures > FAILURES) throw cause;
        this.#becomes("waiting");
        await this.#rest(Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE), cause);
      }
    }
  }

  async #begun(): Promise<Place> {
    const { onConflict = "fail" } = this.#options;
    const { folder, path } = this.#to;
    const date = this.#date && { modifiedAt: this.#date.toISOString() };
    const body = { path, size: this.#blob.size, onConflict, ...date };
    const place = await this.#call<Place>(`/drives/${encodeURIComponent(folder)}/uploads`, {
      method: "POST",
      body,
    });
    this.#id = place.id;
    return place;
  }

  #asked(): Promise<Place> {
    return this.#call<Place>(this.#url());
  }

  /** Sends what follows; how much the companion has then. */
  async #chunk({ offset, chunkBytes }: Place): Promise<number> {
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await this.#blob.slice(offset, offset + chunkBytes).arrayBuffer());
    } catch (cause) {
      throw new DoorwardError("unreadable", "The browser can no longer read the file.", { cause });
    }
    const told = await this.#call<{ offset: number }>(this.#url(), { method: "PUT", body: bytes, offset });
    if (told.offset <= offset) throw new DoorwardError("malformed", "The companion took no bytes.");
    return told.offset;
  }

  async #finished(): Promise<Entry> {
    const { onConflict = "fail" } = this.#options;
    this.#finishing = true;
    return this.#call<Entry>(`${this.#url()}/finish?onConflict=${onConflict}`, { method: "POST" });
  }

  /** Whether it took its place although no answer came: an older file of this length is not it. */
  async #landed(cause: unknown): Promise<Entry> {
    const { folder, path } = this.#to;
    const query = `path=${encodeURIComponent(path)}`;
    const entry = await this.#call<Entry>(`/drives/${encodeURIComponent(folder)}/info?${query}`).catch(
      () => null,
    );
    const at = Date.parse(entry?.modifiedAt ?? "");
    const isOurs = this.#date ? Math.abs(at - this.#date.getTime()) <= COARSE : at >= this.#began - COARSE;
    if (entry?.kind === "file" && entry.size === this.#blob.size && isOurs) return entry;
    throw cause;
  }

  #url(): string {
    return `/drives/uploads/${this.#id}`;
  }

  #call<T>(path: string, init: DoorInit = {}): Promise<T> {
    return this.#ways.call<T>(path, { ...init, signal: this.#stop.signal });
  }

  async #unpaused(): Promise<void> {
    this.#becomes("paused");
    while (this.#paused && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#stop.signal.throwIfAborted();
  }

  /** Waits, at least as long as the refusal says; a cancel or a pause ends it. */
  async #rest(pause: number, cause: unknown): Promise<void> {
    const said = cause instanceof DoorwardError ? (cause.retryAfterMs ?? 0) : 0;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(pause, said));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #becomes(state: UploadProgress["state"], sent = this.#progress.sent): void {
    if (state === this.#progress.state && sent === this.#progress.sent && sent > 0) return;
    this.#progress = { ...this.#progress, state, sent };
    this.#options.onProgress?.(this.#progress);
  }
}

const isCode = (cause: unknown, ...codes: string[]): boolean =>
  cause instanceof DoorwardError && codes.includes(cause.code);
