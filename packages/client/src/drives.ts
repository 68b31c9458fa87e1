// The folders that the person shares with this page. What a page may do in each is
// decided there; what it may not is a refusal (`rightMissing`, `folderUnknown`).

import type { DoorInit } from "./door.js";
import type { Entry, Folder, OnConflict, SortBy } from "./entry.js";
import type { Listener } from "./events.js";
import { Grants, type Named, type UrlOptions } from "./grants.js";
import { Job, type ToldJob } from "./jobs.js";
import { Upload, type UploadOptions } from "./upload.js";

export interface ListOptions {
  sort?: SortBy;
  order?: "asc" | "desc";
  /** Names that begin with a dot, and what the system hides. */
  hidden?: boolean;
  /** Entries a page; 1,000 at most. */
  limit?: number;
  signal?: AbortSignal;
}

/** A part of a directory. */
export interface Page {
  path: string;
  entries: Entry[];
  /** What to give to `page` for those that follow; `null` after the last. */
  next: string | null;
  /** How many there are in all. */
  total: number;
}

/** A directory, entry by entry (`for await`) or page by page. */
export interface Listing extends AsyncIterable<Entry> {
  page(after?: string | null): Promise<Page>;
}

export interface SearchOptions {
  /** The directory to search below; the folder's root unless said otherwise. */
  path?: string;
  /** 100 unless said, 500 at most. */
  limit?: number;
  hidden?: boolean;
  /** Aborting it ends the search there too. */
  signal?: AbortSignal;
}

export interface Found {
  entries: Entry[];
  /** Whether everything was looked at. */
  complete: boolean;
  /** Why not: `limit`, `work`, `time`, `otherDrive` or `unreadable`. */
  why?: string;
}

/** Where a copy goes: a path, in another folder if it says so. */
export type Target = string | { folder?: string; path: string };

export interface DriveWays {
  call<T>(path: string, init?: DoorInit): Promise<T>;
  listen(listener: Listener): () => void;
  run(): string;
}

/** Folders and what is in them. Paths are from a folder's root, with `/` between names; `""` is the root. */
export class Drives {
  readonly #ways: DriveWays;
  readonly #grants: Grants;

  constructor(ways: DriveWays) {
    this.#ways = ways;
    this.#grants = new Grants({
      mint: (folder, paths, download) => this.#post(folder, "grants", { paths, download }),
      run: () => ways.run(),
    });
  }

  /** What the person shares with this page. */
  async folders(): Promise<Folder[]> {
    return (await this.#ways.call<{ folders: Folder[] }>("/drives")).folders;
  }

  /** What is in a directory. Nothing is asked before the first entry or page is. */
  list(folder: string, path = "", { signal, ...options }: ListOptions = {}): Listing {
    const page = (after?: string | null): Promise<Page> =>
      this.#get<Page>(folder, "list", { path, ...options, after }, signal);
    return {
      page,
      async *[Symbol.asyncIterator]() {
        let after: string | null = null;
        do {
          const { entries, next }: Page = await page(after);
          yield* entries;
          after = next;
        } while (after !== null);
      },
    };
  }

  /** One file or directory. */
  info(folder: string, path: string): Promise<Entry> {
    return this.#get(folder, "info", { path });
  }

  /** Files and directories whose names have `query` in them. */
  search(folder: string, query: string, { signal, ...options }: SearchOptions = {}): Promise<Found> {
    return this.#get(folder, "search", { q: query, ...options }, signal);
  }

  /** A new directory, or an empty file. */
  create(folder: string, path: string, kind: "directory" | "file" = "directory"): Promise<Entry> {
    return this.#post(folder, "create", { path, kind });
  }

  /** Another name in the same directory. */
  rename(folder: string, path: string, name: string): Promise<Entry> {
    return this.#post(folder, "rename", { path, name });
  }

  copy(folder: string, path: string, to: Target, onConflict: OnConflict = "fail"): Promise<Job> {
    return this.#job(folder, "copy", { path, to: target(to), onConflict });
  }

  move(folder: string, path: string, to: Target, onConflict: OnConflict = "fail"): Promise<Job> {
    return this.#job(folder, "move", { path, to: target(to), onConflict });
  }

  /** Into the trash; with `permanently` it is gone. */
  remove(folder: string, path: string, { permanently = false } = {}): Promise<Job> {
    return this.#job(folder, "delete", { path, permanently });
  }

  /** Sends a file. It runs at once, and resumes by itself after what may pass. */
  upload(folder: string, path: string, blob: Blob, options: UploadOptions = {}): Upload {
    return new Upload(this.#ways, { folder, path }, blob, options);
  }

  /** A URL under which `<img>`, `<video>`, `<iframe>` or `fetch` read the file. */
  url(folder: string, file: Named, options: UrlOptions = {}): Promise<string> {
    return this.#grants.url(folder, file, options);
  }

  /** As `url`, for many at once; `null` for those that get none. */
  urls(folder: string, files: readonly Named[], options: UrlOptions = {}): Promise<(string | null)[]> {
    return this.#grants.urls(folder, files, options);
  }

  /**
   * For what stays open for long: `use` gets a URL now, and another before that one
   * ends. The result lets go.
   */
  hold(
    folder: string,
    file: Named,
    use: (url: string) => void,
    { failed = () => {}, ...options }: UrlOptions & { failed?: (cause: unknown) => void } = {},
  ): () => void {
    return this.#grants.hold(folder, file, options, use, failed);
  }

  /** After a URL was refused (`changed`, `grantExpired`): the next is a new one. */
  forgetUrl(folder: string, file: Named): void {
    this.#grants.forget(folder, file);
  }

  /** Opens the file on the computer, in its own application. Programs and scripts are refused. */
  async open(folder: string, path: string): Promise<void> {
    await this.#post(folder, "open", { path });
  }

  /** What the companion is at work on for this page, newest first. */
  async jobs(): Promise<Job[]> {
    const { jobs } = await this.#ways.call<{ jobs: ToldJob[] }>("/jobs");
    return jobs.map((told) => new Job(told, this.#ways));
  }

  #get<T>(folder: string, what: string, query: Record<string, unknown>, signal?: AbortSignal): Promise<T> {
    const words = Object.entries(query)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
    return this.#ways.call(`${at(folder, what)}?${words.join("&")}`, signal ? { signal } : {});
  }

  #post<T>(folder: string, what: string, body: Record<string, unknown>): Promise<T> {
    return this.#ways.call(at(folder, what), { method: "POST", body });
  }

  /** What is quick is done when it answers, what is not goes on as a job. */
  async #job(
    folder: string,
    kind: "copy" | "move" | "delete",
    body: { path: string; [member: string]: unknown },
  ): Promise<Job> {
    const told = await this.#post<{ job: ToldJob } | Entry | { path: string }>(folder, kind, body);
    if ("job" in told) return new Job(told.job, this.#ways);
    return new Job(over(folder, kind, body.path, "name" in told ? told : undefined), this.#ways);
  }
}

const at = (folder: string, what: string): string => `/drives/${encodeURIComponent(folder)}/${what}`;

const target = (to: Target): { folder?: string; path: string } =>
  typeof to === "string" ? { path: to } : to;

function over(folder: string, kind: "copy" | "move" | "delete", path: string, entry?: Entry): ToldJob {
  const [bytes, files] = [entry?.size ?? 0, 1];
  return {
    id: "",
    kind,
    state: "done",
    folder,
    path,
    doneBytes: bytes,
    totalBytes: bytes,
    doneFiles: files,
    totalFiles: files,
    leftFiles: 0,
    ...(entry && { entry }),
  };
}
