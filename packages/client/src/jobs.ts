// Work that takes its time: the companion does it, and tells how far it is.

import type { Entry } from "./entry.js";
import { DoorwardError, refusal } from "./errors.js";
import type { DoorEvent, Listener } from "./events.js";

/** How far a job is. */
export interface JobProgress {
  id: string;
  kind: "copy" | "move" | "delete";
  /** `waiting`: others of its folder run. */
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  /** The folder that it works in, or copies from, and where in it. */
  folder: string;
  path: string;
  to?: { folder: string; path: string };
  doneBytes: number;
  /** More while it still counts. */
  totalBytes: number;
  /** Files, folders and links. */
  doneFiles: number;
  totalFiles: number;
  /** What a move left where it was, because it was changed meanwhile. */
  leftFiles: number;
}

/** As the companion tells a job. */
export interface ToldJob extends JobProgress {
  /** What was made. */
  entry?: Entry;
  denial?: string;
  message?: string;
}

export interface JobWays {
  call<T>(path: string, init?: { method?: string }): Promise<T>;
  listen(listener: Listener): () => void;
}

/** News that do not come are asked for, after as many milliseconds. */
const ASKS_AFTER = 5_000;

/** One job. */
export class Job {
  /** Resolves with what came of it, `null` for what was removed; fails with why not. */
  readonly done: Promise<Entry | null>;
  readonly #ways: JobWays;
  readonly #listeners = new Set<(progress: JobProgress) => void>();
  #told: ToldJob;
  #settle!: { resolve(entry: Entry | null): void; reject(cause: unknown): void };
  #stop: () => void = () => {};
  #asks: ReturnType<typeof setTimeout> | undefined;

  constructor(told: ToldJob, ways: JobWays) {
    this.#told = told;
    this.#ways = ways;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for it hears of it by its progress.
    this.done.catch(() => {});
    if (isOn(told)) {
      this.#stop = ways.listen((event) => this.#event(event));
      this.#later();
    } else {
      this.#heard(told);
    }
  }

  get id(): string {
    return this.#told.id;
  }

  get progress(): JobProgress {
    return this.#told;
  }

  /** Tells how far it is, at once and at each change. */
  subscribe(listener: (progress: JobProgress) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#told);
    return () => this.#listeners.delete(listener);
  }

  /** Stops it. What was done stays done; `done` fails with `cancelled`. */
  async cancel(): Promise<void> {
    if (!isOn(this.#told)) return;
    await this.#ways.call(`/jobs/${this.id}`, { method: "DELETE" });
    await this.#ask();
  }

  #event(event: DoorEvent): void {
    // What was told while there was no socket, or too much at once, is asked for.
    if (event.kind === "hello" || event.kind === "jobs.changed") void this.#ask();
    const job = event.job as ToldJob | undefined;
    const isNews = event.kind === "job.progress" || event.kind === "job.ended";
    if (isNews && job?.id === this.id) this.#heard(job);
  }

  #heard(told: ToldJob): void {
    clearTimeout(this.#asks);
    if (!isOn(this.#told) && told !== this.#told) return;
    this.#told = told;
    for (const listener of [...this.#listeners]) listener(told);
    if (isOn(told)) {
      this.#later();
      return;
    }
    this.#stop();
    if (told.state === "done") this.#settle.resolve(told.entry ?? null);
    else if (told.state === "cancelled")
      this.#settle.reject(new DoorwardError("cancelled", "It was stopped."));
    else this.#settle.reject(refusal(500, told));
  }

  #later(): void {
    this.#asks = setTimeout(() => void this.#ask(), ASKS_AFTER);
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#asks);
    if (!isOn(this.#told)) return;
    try {
      this.#heard(await this.#ways.call<ToldJob>(`/jobs/${this.id}`));
    } catch (cause) {
      const passing = cause instanceof DoorwardError && ["unavailable", "rateLimited"].includes(cause.code);
      // Else of a companion that was started anew, or of a page that is no longer paired.
      if (passing) this.#later();
      else this.#heard({ ...this.#told, state: "failed", ...why(cause) });
    }
  }
}

const isOn = ({ state }: JobProgress): boolean => state === "waiting" || state === "running";

function why(cause: unknown): { denial: string; message: string } {
  if (cause instanceof DoorwardError) return { denial: cause.code, message: cause.message };
  return { denial: "malformed", message: String(cause) };
}
