// The entries as rows or as tiles. Only what is in view is drawn, so that a directory of 100,000 scrolls like one of ten.

import { $, el, icon } from "./dom.js";
import { bytes, DRAWINGS, isFile, isFolder, kindOf, kindWords, when } from "./words.js";

/** Rows that are drawn beyond the edges. */
const MARGIN = 4;
/** The last rows before which the next page is fetched. */
const AHEAD = 60;
const GAP = 14;
const TILE = { least: 168, height: 188 };
const ROW = { wide: 38, narrow: 54 };
const COLUMNS = [
  ["name", "Name"],
  ["size", "Size"],
  ["kind", "Kind"],
  ["modified", "Date"],
];

export class List {
  #directory;
  #selection;
  #thumbOf;
  #acts;
  #tiles = false;
  #shape = { columns: 1, height: ROW.wide, width: 0 };
  #asked = false;
  #renaming = null;
  #drawn = new Map();

  /** @param acts `open(entry)`, `cut(path)`: whether it is about to be moved */
  constructor(directory, selection, thumbOf, acts) {
    Object.assign(this, { element: $("list") });
    this.#directory = directory;
    this.#selection = selection;
    this.#thumbOf = thumbOf;
    this.#acts = acts;
    const draw = () => this.draw();
    directory.addEventListener("change", draw);
    selection.addEventListener("change", draw);
    this.element.addEventListener("scroll", draw, { passive: true });
    new ResizeObserver(draw).observe(this.element);
    this.#pointers();
  }

  get tiles() {
    return this.#tiles;
  }

  set tiles(tiles) {
    this.#tiles = tiles;
    this.element.className = tiles ? "tiles" : "rows";
    this.#drawn.clear();
    $("body").replaceChildren();
    this.draw();
    this.reveal();
  }

  /** How many entries stand beside one another, and how many rows are in view. */
  get columns() {
    return this.#shape.columns;
  }

  get page() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.#shape.height) - 1);
  }

  /** Draws at the next frame. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  /** Scrolls until the entry that the keyboard is at is wholly in view. */
  reveal() {
    const at = this.#selection.at;
    if (at < 0) return;
    this.#measure();
    const { columns, height } = this.#shape;
    const top = this.#head + Math.floor(at / columns) * height;
    const { scrollTop, clientHeight } = this.element;
    if (top - this.#head < scrollTop) this.element.scrollTop = top - this.#head;
    if (top + height > scrollTop + clientHeight) this.element.scrollTop = top + height - clientHeight;
  }

  /** A field in place of the name; resolves with another name, or with `null`. */
  rename(entry) {
    this.reveal();
    return new Promise((resolve) => {
      const input = el("input", { value: entry.name, "aria-label": `New name of ${entry.name}`, spellcheck: "false" });
      const end = (name) => {
        if (this.#renaming === null) return;
        this.#renaming = null;
        this.draw();
        this.element.focus();
        resolve(name && name !== entry.name ? name : null);
      };
      input.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (event.key === "Enter") end(input.value.trim());
        if (event.key === "Escape") end(null);
      });
      // Not where its row was only drawn anew.
      input.addEventListener("blur", () => setTimeout(() => document.activeElement !== input && end(input.value.trim())));
      for (const kind of ["pointerdown", "click", "dblclick"]) input.addEventListener(kind, (event) => event.stopPropagation());
      this.#renaming = { path: entry.path, input };
      this.#draw();
      input.focus();
      const dot = isFolder(entry) ? -1 : entry.name.lastIndexOf(".");
      input.setSelectionRange(0, dot > 0 ? dot : entry.name.length);
    });
  }

  get #head() {
    return $("head").offsetHeight;
  }

  #measure() {
    const width = this.element.clientWidth;
    if (!this.#tiles) {
      this.#shape = { columns: 1, height: width < 560 ? ROW.narrow : ROW.wide, width };
      return;
    }
    const columns = Math.max(2, Math.floor((width + GAP) / (TILE.least + GAP)));
    this.#shape = { columns, height: TILE.height + GAP, width: (width - GAP * (columns - 1)) / columns };
  }

  #draw() {
    this.#heads();
    this.#measure();
    const { entries } = this.#directory;
    const { columns, height } = this.#shape;
    const body = $("body");
    const rows = Math.ceil(entries.length / columns);
    body.style.height = `${rows * height}px`;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / height) - MARGIN) * columns;
    const end = Math.min(entries.length, (Math.ceil((scrollTop + clientHeight) / height) + MARGIN) * columns);
    const before = this.#drawn;
    this.#drawn = new Map();
    const { current } = this.#selection;
    const list = [];
    for (let at = first; at < end; at++) {
      const entry = entries[at];
      const key = JSON.stringify([entry.path, entry.etag, entry.modifiedAt, entry.size, this.#renaming?.path === entry.path, this.#directory.query !== ""]);
      const row = before.get(key) ?? this.#row(entry);
      this.#drawn.set(key, row);
      this.#place(row, entry, at, current);
      list.push(row);
    }
    const moved = this.#renaming && !this.#renaming.input.isConnected;
    settle(body, list);
    if (moved) this.#renaming.input.focus();
    this.element.setAttribute("aria-rowcount", (this.#directory.total ?? entries.length) + (this.#tiles ? 0 : 1));
    const drawn = list.find((row) => row.dataset.path === current);
    if (drawn) this.element.setAttribute("aria-activedescendant", drawn.id);
    else this.element.removeAttribute("aria-activedescendant");
    if (!this.#directory.isWhole && end > entries.length - AHEAD) void this.#directory.more();
  }

  #heads() {
    const head = $("head");
    head.hidden = this.#tiles;
    const { sort, order } = this.#directory.sort;
    const wanted = `${sort} ${order}`;
    if (head.dataset.shows === wanted) return;
    head.dataset.shows = wanted;
    const cells = COLUMNS.map(([by, words]) => {
      const here = by === sort;
      const button = el("button", { type: "button", tabindex: "-1", on: { click: () => this.#acts.sort(by) } }, words, here && icon(order === "asc" ? "up" : "down"));
      return el("span", { role: "columnheader", class: by, "aria-sort": here ? (order === "asc" ? "ascending" : "descending") : null }, button);
    });
    head.replaceChildren(el("div", { role: "row", "aria-rowindex": "1" }, ...cells));
  }

  #row(entry) {
    const kind = kindOf(entry);
    const face = el("span", { class: `face ${kind}` }, icon(DRAWINGS[kind] ?? kind));
    const renaming = this.#renaming?.path === entry.path && this.#renaming.input;
    const where = this.#directory.query && entry.path.slice(0, -entry.name.length - 1);
    const name = el("span", { role: "gridcell", class: "name" }, el("span", { class: "tick" }, icon("tick")), face);
    name.append(renaming || el("span", { class: "words" }, el("b", {}, entry.name), where ? el("small", {}, where) : null));
    const size = isFile(entry) ? bytes(entry.size) : "";
    const cells = this.#tiles
      ? [el("span", { class: "muted" }, size || kindWords(entry))]
      : [
          el("span", { role: "gridcell", class: "size" }, size),
          el("span", { role: "gridcell", class: "kind" }, kindWords(entry)),
          el("span", { role: "gridcell", class: "modified" }, when(entry.modifiedAt)),
        ];
    if (this.#tiles) name.append(...cells.splice(0));
    const row = el("div", { role: "row", draggable: renaming ? null : "true", "data-path": entry.path, "data-kind": isFolder(entry) ? "directory" : entry.kind }, name, ...cells);
    if (this.#tiles) this.#picture(entry, face);
    return row;
  }

  async #picture(entry, face) {
    const canvas = await this.#thumbOf(this.#directory.folder, entry);
    if (canvas) face.replaceChildren(canvas);
  }

  #place(row, entry, at, current) {
    const { columns, height, width } = this.#shape;
    row.id = `e${at}`;
    row.setAttribute("aria-rowindex", at + (this.#tiles ? 1 : 2));
    row.setAttribute("aria-selected", this.#selection.has(entry.path));
    row.classList.toggle("at", entry.path === current);
    row.classList.toggle("cut", this.#acts.cut(entry.path));
    row.classList.toggle("fresh", this.#directory.fresh.has(entry.name));
    const column = at % columns;
    row.style.transform = `translate(${column * (width + GAP)}px, ${Math.floor(at / columns) * height}px)`;
    row.style.width = this.#tiles ? `${width}px` : "";
    row.style.height = `${this.#tiles ? height - GAP : height}px`;
  }

  #pointers() {
    const entryOf = (event) => {
      const path = event.target.closest("[data-path]")?.dataset.path;
      return this.#directory.entries.find((entry) => entry.path === path);
    };
    let touched = false;
    this.element.addEventListener("pointerdown", (event) => {
      touched = event.pointerType === "touch";
    });
    this.element.addEventListener("click", (event) => {
      if (event.target.closest("#head")) return;
      const entry = entryOf(event);
      if (!entry) this.#selection.none();
      else if (event.target.closest(".tick") || event.ctrlKey || event.metaKey) this.#selection.toggle(entry.path);
      else if (event.shiftKey) this.#selection.through(entry.path);
      else {
        this.#selection.only(entry.path);
        if (touched) this.#acts.open(entry);
      }
    });
    this.element.addEventListener("dblclick", (event) => {
      const entry = entryOf(event);
      if (entry && !touched && !event.target.closest(".tick")) this.#acts.open(entry);
    });
  }
}

/** Makes `list` the children of `parent`, and moves none that stays: it may have the focus. */
function settle(parent, list) {
  const stays = new Set(list);
  for (const child of [...parent.children]) if (!stays.has(child)) child.remove();
  list.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}
