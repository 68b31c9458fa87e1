// URLs of files for what takes a URL: images, players, frames, downloads. A signed
// request buys them; they are good until they expire, the file changes or the pairing ends.

import type { Entry } from "./entry.js";
import { DoorwardError } from "./errors.js";

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
  /** When it is replaced, in milliseconds since 1970. */
  renewAt: number;
}

interface Minted {
  grants: Grant[];
  /** Files that get none, and the refusal's name. */
  refused: { path: string; denial: string }[];
}

export interface GrantWays {
  mint(folder: string, paths: string[], download: boolean): Promise<Minted>;
  /** The run of the companion; its URLs end with it. */
  run(): string;
}

/** As many files as one request names. */
const AT_ONCE = 500;
/** URLs that are remembered; the oldest are forgotten first. */
const KEPT = 4_000;
/** The longest time that browsers can be told to wait. */
const LONGEST_WAIT = 2 ** 31 - 1;
/** Between two URLs of one file, however short their lives are. */
const SOONEST = 1_000;

export class Grants {
  readonly #ways: GrantWays;
  readonly #kept = new Map<string, Kept>();
  #run = "";

  constructor(ways: GrantWays) {
    this.#ways = ways;
  }

  /** Fails with why there is none. */
  async url(folder: string, file: Named, options: UrlOptions = {}): Promise<string> {
    return (await this.#one(folder, file, options)).url;
  }

  /** In the order of `files`, `null` where there is none. */
  async urls(folder: string, files: readonly Named[], options: UrlOptions = {}): Promise<(string | null)[]> {
    const found = await this.#all(folder, files, options);
    return found.map((one) => (typeof one === "string" ? null : one.url));
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
        const { url, renewAt } = await this.#one(folder, file, options);
        if (!held) return;
        use(url);
        timer = setTimeout(next, Math.min(Math.max(renewAt - Date.now(), SOONEST), LONGEST_WAIT));
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

  async #one(folder: string, file: Named, options: UrlOptions): Promise<Kept> {
    const [found = "malformed"] = await this.#all(folder, [file], options);
    if (typeof found !== "string") return found;
    throw new DoorwardError(found, "The companion gives no URL of this file.");
  }

  /** What is kept and good, then what is asked for: a URL, or the name of a refusal. */
  async #all(
    folder: string,
    files: readonly Named[],
    { download = false }: UrlOptions,
  ): Promise<(Kept | string)[]> {
    if (this.#run !== this.#ways.run()) this.#kept.clear();
    this.#run = this.#ways.run();
    const kept = files.map((file) => this.#good(keyOf(folder, file, download)));
    const paths = [...new Set(files.filter((_, at) => !kept[at]).map(pathOf))];
    const fresh = new Map<string, Kept | string>();
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const { grants, refused } = await this.#ways.mint(folder, paths.slice(at, at + AT_ONCE), download);
      for (const { path, denial } of refused) fresh.set(path, denial);
      for (const { path, url, expiresAt } of grants) {
        const [now, endsAt] = [Date.now(), Date.parse(expiresAt)];
        // Three quarters of its life: whoever got it last has a quarter left.
        fresh.set(path, { url, renewAt: now + 0.75 * (endsAt - now) });
      }
    }
    return files.map((file, at) => {
      const found = kept[at] ?? fresh.get(pathOf(file)) ?? "malformed";
      if (typeof found !== "string") this.#keep(keyOf(folder, file, download), found);
      return found;
    });
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
