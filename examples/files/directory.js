// The directory that is shown: read page by page, kept true by what the computer tells of changes.

/** Entries a page: few enough to come at once, many enough to scroll through. */
const PAGE = 500;
/** Changes within as many milliseconds are read together. */
const TOGETHER = 250;
/** The longest a row stands out after it changed. */
const FRESH = 4_000;

/** Tells `change` when there is something else to draw, `news` for each change that was told. */
export class Directory extends EventTarget {
  folder = "";
  path = "";
  sort = { sort: "name", order: "asc" };
  entries = [];
  total = null;
  /** What keeps it from being shown, a refusal. */
  trouble = null;
  /** Nothing was read yet. */
  loading = true;
  /** `live`, `behind` or `off`. */
  live = "behind";
  /** Words that are searched for, and whether all was looked at. */
  query = "";
  searched = null;
  /** Names that changed a moment ago. */
  fresh = new Set();

  #door;
  #next = null;
  #run = 0;
  #stop = new AbortController();
  #unwatch = () => {};
  #soon;
  /** The reading under way, and the one that follows for whoever asks meanwhile. */
  #reading = null;
  #following = null;

  constructor(door) {
    super();
    this.#door = door;
  }

  /** Shows a directory from its beginning. */
  open(folder, path) {
    this.#run += 1;
    this.#unwatch();
    this.#stop.abort();
    clearTimeout(this.#soon);
    Object.assign(this, { folder, path, entries: [], total: null, trouble: null, loading: true, query: "", searched: null });
    this.live = "behind";
    this.#next = null;
    this.#reading = this.#following = null;
    this.fresh.clear();
    this.#changed();
    if (!folder) return;
    const run = this.#run;
    void this.#read();
    this.#unwatch = this.#door.watch(folder, path, (event) => {
      if (run === this.#run) this.#heard(event);
    });
  }

  close() {
    this.open("", "");
  }

  /** Reads it anew, as far as it was read; done once what is there now is shown. */
  reload() {
    return this.query ? this.search(this.query) : this.#read();
  }

  sortBy(sort, order) {
    this.sort = { sort, order };
    this.entries = [];
    this.loading = true;
    this.#changed();
    return this.reload();
  }

  /** The next page, once someone scrolls there. */
  async more() {
    if (this.#reading || this.#next === null || this.query) return;
    await this.#one(async (isCurrent) => {
      const page = await this.#listing().page(this.#next);
      if (!isCurrent()) return;
      this.entries = [...this.entries, ...page.entries];
      this.#next = page.next;
      this.#changed();
    });
  }

  /** Shows what is found by name, here and below; no words show the directory again. */
  async search(query) {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.query = query;
    this.searched = null;
    if (!query) return this.#read();
    try {
      const found = await this.#door.drives.search(this.folder, query, { path: this.path, limit: 500, signal });
      if (signal.aborted) return;
      Object.assign(this, { entries: found.entries, total: found.entries.length, searched: found, trouble: null, loading: false });
      this.#changed();
    } catch (cause) {
      if (!signal.aborted) this.#failed(cause);
    }
  }

  /** Whether all of it was read. */
  get isWhole() {
    return this.#next === null || this.query !== "";
  }

  #listing() {
    return this.#door.drives.list(this.folder, this.path, { ...this.sort, limit: PAGE, hidden: false });
  }

  #read() {
    if (!this.#reading) return this.#pass();
    // What changed meanwhile may not be in what is being read.
    this.#following ??= this.#reading.then(() => {
      this.#following = null;
      return this.#read();
    });
    return this.#following;
  }

  #pass() {
    return this.#one(async (isCurrent) => {
      const wanted = Math.max(1, this.entries.length);
      const entries = [];
      let page = { next: null };
      do {
        page = await this.#listing().page(page.next);
        if (!isCurrent() || this.query) return;
        entries.push(...page.entries);
      } while (page.next !== null && entries.length < wanted);
      Object.assign(this, { entries, total: page.total, trouble: null, loading: false });
      this.#next = page.next;
      this.#changed();
    });
  }

  /** One reading at a time; what is read of a directory that was left is dropped. */
  #one(read) {
    const run = this.#run;
    const isCurrent = () => run === this.#run;
    const reading = read(isCurrent)
      .catch((cause) => isCurrent() && this.#failed(cause))
      .finally(() => {
        if (this.#reading === reading) this.#reading = null;
      });
    this.#reading = reading;
    return reading;
  }

  #heard(event) {
    const { kind } = event;
    if (kind === "changed") {
      this.live = "live";
      for (const { name } of event.changes) this.#freshen(name);
      this.dispatchEvent(new CustomEvent("news", { detail: event.changes }));
    }
    if (kind === "ready" || kind === "back" || kind === "resync") this.live = "live";
    if (kind === "lost") this.live = "behind";
    if (kind === "refused" || kind === "gone") this.live = "off";
    // Also if it is not watched: it may be gone since it was read.
    if (kind !== "lost") this.#later();
    this.#changed();
  }

  #freshen(name) {
    this.fresh.add(name);
    setTimeout(() => {
      this.fresh.delete(name);
      this.#changed();
    }, FRESH);
  }

  /** Reads it anew in a moment, with what else changes until then. */
  #later() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.reload(), TOGETHER);
  }

  #failed(cause) {
    if (cause?.code === "unavailable" && !this.loading) this.live = "behind";
    else Object.assign(this, { entries: [], total: null, trouble: cause, loading: false });
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
