// Everything that changes something on the computer. Each says what it did, or in a sentence why not.

import { say } from "./dom.js";
import { askConflict, askDelete } from "./question.js";
import { count, explain, isFile } from "./words.js";

export class Actions {
  #drives;
  #directory;
  #selection;
  #list;
  #transfers;
  #rights;
  /** What was copied or cut: `{ folder, entries, cuts }`. */
  #shelf = null;

  constructor(drives, { directory, selection, list, transfers, rights }) {
    Object.assign(this, { changed: () => {} });
    this.#drives = drives;
    this.#rights = rights;
    this.#directory = directory;
    this.#selection = selection;
    this.#list = list;
    this.#transfers = transfers;
  }

  /** Whether `right` is given in the folder that is shown. */
  may(right) {
    return this.#rights(this.#directory.folder).includes(right);
  }

  isCut(path) {
    return Boolean(this.#shelf?.cuts && this.#shelf.folder === this.#directory.folder && this.#shelf.entries.some((entry) => entry.path === path));
  }

  get shelf() {
    return this.#shelf;
  }

  take(cuts) {
    const { entries } = this.#selection;
    if (entries.length === 0) return;
    this.#shelf = { folder: this.#directory.folder, entries, cuts };
    say(`${count(entries.length, "entry", "entries")} ${cuts ? "cut" : "copied"}: paste where it should go.`);
    this.changed();
  }

  drop() {
    this.#shelf = null;
    this.changed();
  }

  async paste() {
    if (!this.#shelf) return;
    const { folder, entries, cuts } = this.#shelf;
    if (cuts) this.drop();
    await this.transfer({ folder, entries, cuts }, { folder: this.#directory.folder, path: this.#directory.path });
  }

  /** Copies or moves entries into a directory. */
  async transfer({ folder, entries, cuts }, into) {
    let always = null;
    const made = [];
    for (const [at, entry] of entries.entries()) {
      const from = parent(entry.path);
      const same = folder === into.folder && from === into.path;
      if (same && cuts) continue;
      const to = { ...(folder !== into.folder && { folder: into.folder }), path: joined(into.path, entry.name) };
      const act = async (onConflict) => {
        const job = await this.#drives[cuts ? "move" : "copy"](folder, entry.path, to, onConflict);
        made.push(await this.#transfers.job(job, `${cuts ? "Move" : "Copy"} ${entry.name}`, cuts ? "cut" : "copy"));
      };
      try {
        await act(same ? "keepBoth" : (always ?? "fail"));
      } catch (cause) {
        if (!cause.existing) {
          this.#trouble(cuts ? "move" : "copy", entry, cause);
          continue;
        }
        const left = entries.length - at - 1;
        const { choice, all } = always ? { choice: always, all: true } : await askConflict(cause, left);
        if (all) always = choice;
        if (choice !== "skip") await act(choice).catch((second) => this.#trouble(cuts ? "move" : "copy", entry, second));
      }
    }
    if (made.length > 0) say(`${count(made.length, "entry", "entries")} ${cuts ? "moved" : "copied"} to ${into.path || into.folder}.`);
    await this.#directory.reload();
  }

  async rename(entry = this.#selection.entries[0]) {
    if (!entry || !this.may("write")) return;
    const name = await this.#list.rename(entry);
    if (!name) return;
    try {
      const renamed = await this.#drives.rename(this.#directory.folder, entry.path, name);
      await this.#directory.reload();
      this.#selection.only(renamed.path);
      this.#list.reveal();
    } catch (cause) {
      this.#trouble("rename", entry, cause);
    }
  }

  async newFolder() {
    const { folder, path } = this.#directory;
    const taken = new Set(this.#directory.entries.map(({ name }) => name));
    let name = "New folder";
    for (let n = 2; taken.has(name); n++) name = `New folder ${n}`;
    try {
      const made = await this.#drives.create(folder, joined(path, name), "directory");
      await this.#directory.reload();
      this.#selection.only(made.path);
      await this.rename(made);
    } catch (cause) {
      say(`The folder was not made: ${explain(cause)}`, true);
    }
  }

  async remove(permanently) {
    const { entries } = this.#selection;
    if (entries.length === 0 || !this.may("delete")) return;
    if (permanently && !(await askDelete(entries))) return;
    const { folder } = this.#directory;
    let removed = 0;
    for (const entry of entries) {
      try {
        const job = await this.#drives.remove(folder, entry.path, { permanently });
        await this.#transfers.job(job, `Delete ${entry.name}`, "trash");
        removed += 1;
      } catch (cause) {
        this.#trouble("delete", entry, cause);
      }
    }
    const what = removed === 1 && entries.length === 1 ? `“${entries[0].name}”` : count(removed, "entry", "entries");
    if (removed > 0) say(permanently ? `${what} deleted for good.` : `${what} moved to the trash. To undo, open the trash of this computer and restore it.`);
    this.#selection.none();
    await this.#directory.reload();
  }

  /** Sends files and folders into a directory, `null` for the one that is shown. */
  async send(into, list) {
    const { folder } = this.#directory;
    const base = into ?? this.#directory.path;
    const sent = [];
    for (const { path, file } of list) {
      const there = joined(base, path);
      if (file) {
        sent.push(this.#transfers.upload(folder, there, file));
        continue;
      }
      try {
        await this.#drives.create(folder, there, "directory");
      } catch (cause) {
        if (cause.existing?.kind === "directory") continue;
        say(`${path} was not made: ${explain(cause)}`, true);
        break;
      }
    }
    await Promise.all(sent);
    await this.#directory.reload();
  }

  async openThere(entry) {
    try {
      await this.#drives.open(this.#directory.folder, entry.path);
      say(`“${entry.name}” opens on this computer.`);
    } catch (cause) {
      this.#trouble("open", entry, cause);
    }
  }

  async download(entries = this.#selection.entries) {
    const files = entries.filter(isFile);
    try {
      const urls = await this.#drives.urls(this.#directory.folder, files, { download: true });
      for (const href of urls.filter(Boolean)) {
        const link = document.createElement("a");
        Object.assign(link, { href, download: "", rel: "noreferrer" });
        link.click();
      }
    } catch (cause) {
      say(`Nothing was downloaded: ${explain(cause)}`, true);
    }
  }

  #trouble(what, { name }, cause) {
    if (cause.code !== "cancelled") say(`Could not ${what} “${name}”: ${explain(cause)}`, true);
  }
}

export const parent = (path) => path.split("/").slice(0, -1).join("/");
export const joined = (path, name) => (path ? `${path}/${name}` : name);
