// What is selected, by path, so that it stays while the directory changes around it.

/** Tells `change`. */
export class Selection extends EventTarget {
  /** The path that the keyboard is at. */
  current = null;
  #paths = new Set();
  #anchor = null;
  #entries = () => [];

  /** @param entries what is shown, in its order */
  constructor(entries) {
    super();
    this.#entries = entries;
  }

  has(path) {
    return this.#paths.has(path);
  }

  get size() {
    return this.entries.length;
  }

  /** The selected entries, in their order. */
  get entries() {
    return this.#entries().filter(({ path }) => this.#paths.has(path));
  }

  get at() {
    return this.#entries().findIndex(({ path }) => path === this.current);
  }

  only(path) {
    this.#paths = new Set(path === null ? [] : [path]);
    this.current = this.#anchor = path;
    this.#changed();
  }

  toggle(path) {
    if (!this.#paths.delete(path)) this.#paths.add(path);
    this.current = this.#anchor = path;
    this.#changed();
  }

  /** From where the selection began to `path`. */
  through(path) {
    const paths = this.#entries().map((entry) => entry.path);
    const ends = [paths.indexOf(this.#anchor ?? path), paths.indexOf(path)].map((at) => Math.max(at, 0));
    const [first, last] = [Math.min(...ends), Math.max(...ends)];
    this.#paths = new Set(paths.slice(first, last + 1));
    this.current = path;
    this.#changed();
  }

  all() {
    const paths = this.#entries().map(({ path }) => path);
    this.#paths = new Set(paths);
    this.current ??= paths[0] ?? null;
    this.#changed();
  }

  none() {
    this.#paths.clear();
    this.#anchor = this.current;
    this.#changed();
  }

  clear() {
    this.#paths.clear();
    this.current = this.#anchor = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
