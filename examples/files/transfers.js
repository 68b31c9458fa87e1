// Everything under way: files that go up, and work that the computer does. Each with its progress, and a way to stop it.

import { $, act, el, icon } from "./dom.js";
import { bytes, count, explain, span } from "./words.js";

/** Files that go up at the same time. */
const AT_ONCE = 2;
/** What is over and went well is taken away beyond as many. */
const SHOWN = 50;
const ENDED = ["done", "failed", "cancelled", "skipped"];

export class Transfers {
  #drives;
  #askConflict;
  #rows = [];
  #queue = [];
  #running = 0;
  #always = null;

  constructor(drives, askConflict) {
    this.#drives = drives;
    this.#askConflict = askConflict;
    $("transfers-clear").onclick = () => this.#clear();
    $("transfers-fold").onclick = () => {
      const open = $("transfers-fold").getAttribute("aria-expanded") === "true";
      $("transfers-fold").setAttribute("aria-expanded", !open);
      $("transfers").classList.toggle("folded", open);
    };
    addEventListener("beforeunload", (event) => {
      if (this.#rows.some(({ upload, state }) => upload && !ENDED.includes(state))) event.preventDefault();
    });
  }

  /** Sends a file to `path`; waits for its turn. */
  upload(folder, path, file) {
    const row = this.#add({ drawing: "upload", title: path.split("/").at(-1), where: where(folder, path), state: "queued", done: 0, total: file.size });
    Object.assign(row, { folder, path, file });
    this.#queue.push(row);
    this.#next();
    return row.over;
  }

  /** Shows a job of the computer; one that is over at once shows nothing. */
  async job(job, title, drawing) {
    if (ENDED.includes(job.progress.state)) return job.done;
    const row = this.#add({ drawing, title, where: "", state: "running", done: 0, total: null });
    row.job = job;
    job.subscribe(({ state, doneBytes, totalBytes, doneFiles, totalFiles, leftFiles }) => {
      const left = leftFiles > 0 ? `, ${leftFiles} left where they were` : "";
      const words = `${doneFiles} of ${count(totalFiles, "entry", "entries")}${left}`;
      this.#change(row, { state: state === "waiting" ? "queued" : state, done: doneBytes, total: totalBytes, where: words });
    });
    try {
      return await job.done;
    } catch (cause) {
      this.#change(row, { why: explain(cause) });
      throw cause;
    }
  }

  #next() {
    while (this.#running < AT_ONCE && this.#queue.length > 0) {
      this.#running += 1;
      const row = this.#queue.shift();
      this.#send(row, "fail").finally(() => {
        this.#running -= 1;
        if (this.#queue.length === 0) this.#always = null;
        row.finish();
        this.#next();
      });
    }
  }

  async #send(row, onConflict) {
    if (row.state === "cancelled") return;
    const { folder, path, file } = row;
    row.began = performance.now();
    row.upload = this.#drives.upload(folder, path, file, {
      onConflict,
      ...(row.id && { resume: row.id }),
      onProgress: ({ state, sent }) => {
        // How it ended is told below.
        if (!ENDED.includes(state)) this.#change(row, { state, done: sent });
      },
    });
    try {
      const entry = await row.upload.done;
      this.#change(row, { state: "done", done: row.total, title: entry.name });
    } catch (cause) {
      if (cause.code === "alreadyExists" && cause.existing && onConflict === "fail") {
        const choice = await this.#choice(cause);
        // What was sent before the conflict was found is not sent again.
        row.id = row.upload.id;
        if (choice !== "skip") return this.#send(row, choice);
        row.upload.cancel();
        this.#change(row, { state: "skipped" });
      } else if (cause.code === "cancelled") {
        this.#change(row, { state: "cancelled" });
      } else {
        row.id = row.upload.id;
        this.#change(row, { state: "failed", why: explain(cause) });
      }
    }
  }

  async #choice(conflict) {
    // One question at a time; the answer to one may answer the next.
    const before = this.#asking ?? Promise.resolve();
    const mine = before.then(async () => {
      if (this.#always) return this.#always;
      const { choice, all } = await this.#askConflict(conflict, this.#queue.length + this.#running - 1);
      if (all) this.#always = choice;
      return choice;
    });
    this.#asking = mine.catch(() => {});
    return mine;
  }
  #asking = null;

  #again(row) {
    this.#change(row, { state: "queued", why: "" });
    this.#queue.push(row);
    this.#next();
  }

  #stop(row) {
    this.#queue = this.#queue.filter((one) => one !== row);
    if (row.job) row.job.cancel().catch((cause) => this.#change(row, { why: explain(cause) }));
    else if (row.upload && !ENDED.includes(row.state)) row.upload.cancel();
    else this.#change(row, { state: "cancelled" });
    if (!row.upload && !row.job) row.finish();
  }

  #clear() {
    this.#rows = this.#rows.filter((row) => {
      if (ENDED.includes(row.state)) row.element.remove();
      return !ENDED.includes(row.state);
    });
    this.#sum();
  }

  #add(row) {
    row.over = new Promise((resolve) => {
      row.finish = resolve;
    });
    row.element = el("li", { class: "row" });
    this.#rows.unshift(row);
    $("transfers-list").prepend(row.element);
    const ended = this.#rows.filter(({ state }) => ["done", "skipped"].includes(state));
    for (const old of ended.slice(SHOWN)) {
      old.element.remove();
      this.#rows.splice(this.#rows.indexOf(old), 1);
    }
    this.#change(row, {});
    return row;
  }

  #change(row, more) {
    Object.assign(row, more);
    if (!row.drawn) {
      row.drawn = true;
      requestAnimationFrame(() => {
        row.drawn = false;
        this.#draw(row);
        this.#sum();
      });
    }
  }

  #draw(row) {
    const { state, title, done, total, element, upload, drawing } = row;
    const share = total ? Math.min(1, done / total) : state === "done" ? 1 : 0;
    const acts = [];
    const small = (name, words, click) => acts.push(act(name, `${words} ${title}`, click, { shown: false }));
    if (upload && state === "sending") small("pause", "Pause", () => upload.pause());
    if (upload && state === "paused") small("play", "Resume", () => upload.resume());
    if (row.file && state === "failed") small("again", "Try again:", () => this.#again(row));
    if (!ENDED.includes(state)) small("cross", "Stop", () => this.#stop(row));
    const focused = element.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    element.dataset.state = state;
    element.replaceChildren(
      el("div", { class: "a" }, icon(drawing), el("b", {}, title), el("span", { class: "acts" }, ...acts)),
      el("div", { class: "meter", role: "progressbar", "aria-label": title, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(100 * share)) }, el("i", {})),
      el("p", { class: "muted" }, this.#words(row)),
    );
    element.querySelector("i").style.width = `${100 * share}%`;
    // The button under the finger is made anew, and keeps the focus.
    if (focused) [...element.querySelectorAll("button")].find((it) => it.ariaLabel === focused || acts.length === 1)?.focus();
  }

  #words({ state, done, total, why, began, where }) {
    const much = total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`;
    const rate = (1_000 * done) / (performance.now() - began);
    switch (state) {
      case "queued":
        return total ? `waits for its turn · ${bytes(total)}` : "waits for its turn";
      case "sending":
        return done > 0 && done < total ? `${much} · ${bytes(rate)}/s · ${span((total - done) / rate)}` : much;
      case "running":
        return [where, much].filter(Boolean).join(" · ");
      case "waiting":
        return `${much} · waits for doorward, and goes on by itself`;
      case "paused":
        return `${much} · paused`;
      case "finishing":
        return "takes its place …";
      case "done":
        return [where, total === null ? "" : bytes(total)].filter(Boolean).join(" · ");
      case "skipped":
        return "skipped: what was there stays";
      case "cancelled":
        return "stopped";
      default:
        return why || "failed";
    }
  }

  #sum() {
    const busy = this.#rows.filter(({ state }) => !ENDED.includes(state));
    const failed = this.#rows.filter(({ state }) => state === "failed").length;
    const [done, total] = ["done", "total"].map((what) => busy.reduce((sum, row) => sum + (row[what] ?? 0), 0));
    $("transfers").hidden = this.#rows.length === 0;
    $("transfers-clear").hidden = busy.length === this.#rows.length;
    const words = busy.length > 0 ? `${busy.length} under way${total ? `, ${Math.floor((100 * done) / total)} %` : ""}` : "all done";
    $("transfers-sum").textContent = failed > 0 ? `${words}, ${failed} failed` : words;
  }
}

const where = (folder, path) => ["in", [folder, ...path.split("/").slice(0, -1)].join("/")].join(" ");
