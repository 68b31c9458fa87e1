// URLs of files for what takes a URL: images, players, frames, downloads. A signed
// request buys them; they are good until they expire, the file changes or the pairing ends.

import type { Entry } from "./entry.js";

/** A file by its path; by its entry, so that a changed file gets a new URL. */
export type Named = string | Pick<Entry, "path" | "etag">;

export interface UrlOptions {
  /** The browser saves it instead of showing it. */
  download?: boolean;
}

interface Grant {
  path: string;
  url: string;
  /** RFC 3339. */
  expiresAt: string;
}

interface Kept {
  url: string;
  /** When it is replaced, and when it ends, in milliseconds since 1970. */
  renewAt: number;
  endsAt: number;
}

export interface GrantWays {
  mint(folder: string, paths: string[], download: boolean): Promise<Grant[]>;
  /** The run of the companion; its URLs end with it. */
  run(): string;
}

/** As many files as one request names. */
const AT_ONCE = 500;
/** URLs that are remembered; the oldest are forgotten first. */
const KEPT = 4_000;
/** The longest time that browsers can be told to wait. */
const LONGEST_WAIT = 2 ** 31 - 1;
/** Before a failed renewal is tried again. */
const AGAIN = 5_000;

export class Grants {
  readonly #ways: GrantWays;
  readonly #kept = new Map<string, Kept>();
  #run = "";

  constructor(ways: GrantWays) {
    this.#ways = ways;
  }

  /** URLs in the order of `files`. What there is a good one for is not asked for again. */
  async urls(
    folder: string,
    files: readonly Named[],
    { download = false }: UrlOptions = {},
  ): Promise<string[]> {
    if (this.#run !== this.#ways.run()) this.#kept.clear();
    this.#run = this.#ways.run();
    const keys = files.map((file) => keyOf(folder, file, download));
    const missing = files.filter((_, at) => !this.#good(keys[at] ?? ""));
    const paths = [...new Set(missing.map(pathOf))];
    const fresh = new Map<string, Kept>();
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const grants = await this.#ways.mint(folder, paths.slice(at, at + AT_ONCE), download);
      for (const { path, url, expiresAt } of grants) {
        const [now, endsAt] = [Date.now(), Date.parse(expiresAt)];
        // Three quarters of its life: whoever got it last has a quarter left.
        fresh.set(path, { url, endsAt, renewAt: now + 0.75 * (endsAt - now) });
      }
    }
    return files.map((file, at) => {
      const [key, made] = [keys[at] ?? "", fresh.get(pathOf(file))];
      if (made && !this.#good(key)) this.#keep(key, made);
      return (this.#good(key) ?? made)?.url ?? "";
    });
  }

  /**
   * Calls `use` with a URL now, and with a new one before it ends, until the result is
   * called. `failed` hears why there is none.
   */
  hold(
    folder: string,
    file: Named,
    options: UrlOptions,
    use: (url: string) => void,
    failed: (cause: unknown) => void,
  ): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let held = true;
    const next = async () => {
      try {
        const [url = ""] = await this.urls(folder, [file], options);
        if (!held) return;
        use(url);
        const until = this.#kept.get(keyOf(folder, file, options.download ?? false))?.renewAt ?? Date.now();
        timer = setTimeout(next, Math.min(Math.max(until - Date.now(), AGAIN), LONGEST_WAIT));
      } catch (cause) {
        if (held) failed(cause);
      }
    };
    void next();
    return () => {
      held = false;
      clearTimeout(timer);
    };
  }

  /** Forgets the URLs of a file: one that answered that it is no longer good. */
  forget(folder: string, file: Named): void {
    for (const download of [false, true]) this.#kept.delete(keyOf(folder, file, download));
  }

  #good(key: string): Kept | null {
    const kept = this.#kept.get(key);
    return kept && kept.renewAt > Date.now() ? kept : null;
  }

  #keep(key: string, made: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, made);
    const oldest = this.#kept.size > KEPT ? this.#kept.keys().next().value : undefined;
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

const pathOf = (file: Named): string => (typeof file === "string" ? file : file.path);

const keyOf = (folder: string, file: Named, download: boolean): string =>
  JSON.stringify([folder, pathOf(file), typeof file === "string" ? null : file.etag, download]);
