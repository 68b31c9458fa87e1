// A look into a file without leaving the list: pictures, films, sound, PDF and text, each by a URL that the computer gave.

import { $, act, el, icon } from "./dom.js";
import { bytes, DRAWINGS, explain, kindOf, kindWords, when } from "./words.js";

/** Of a text, as much as is shown. */
const TEXT = 512 * 1024;

export class Sheet {
  #drives;
  #acts;
  #shown = null;
  #release = () => {};

  /** @param acts `files()` what can be shown, in its order; `moved(entry)`, `download(entry)`, `open(entry)` */
  constructor(drives, acts) {
    this.#drives = drives;
    this.#acts = acts;
    $("sheet").addEventListener("close", () => {
      this.#release();
      $("sheet").replaceChildren();
      this.#shown = null;
    });
    $("sheet").addEventListener("keydown", (event) => {
      if (event.target.closest("video, audio, iframe, pre")) return;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        this.#step(event.key === "ArrowLeft" ? -1 : 1);
      }
      if (event.key === " " && !event.target.closest("button")) {
        event.preventDefault();
        $("sheet").close();
      }
    });
  }

  get isOpen() {
    return $("sheet").open;
  }

  show(folder, entry) {
    this.#release();
    this.#shown = { folder, entry };
    const files = this.#acts.files();
    const at = files.findIndex(({ path }) => path === entry.path);
    const kind = kindOf(entry);
    const stage = el("div", { class: "stage", tabindex: "-1" });
    const step = (drawing, words, by) => act(drawing, words, () => this.#step(by), { shown: false, disabled: !files[at + by] });
    $("sheet").replaceChildren(
      el(
        "header",
        {},
        icon(DRAWINGS[kind] ?? kind),
        el("h2", { id: "sheet-name" }, entry.name),
        el("span", { class: "muted" }, `${kindWords(entry)} · ${bytes(entry.size)} · ${when(entry.modifiedAt)}`),
        el("span", { class: "grow" }),
        act("down", "Download", () => this.#acts.download(entry)),
        act("open", "Open on this computer", () => this.#acts.open(entry)),
        step("left", "The one before", -1),
        step("right", "The next one", 1),
        act("cross", "Close", () => $("sheet").close(), { shown: false }),
      ),
      stage,
    );
    if (!$("sheet").open) $("sheet").showModal();
    stage.focus();
    const show = { image: picture, video: player, audio: player, pdf: frame, text }[kind];
    if (!show) return stage.replaceChildren(notice(entry, "There is no preview of such a file. Download it, or open it on this computer."));
    let first = true;
    // A player that is playing keeps its URL: the new one is for what is opened next.
    this.#release = this.#drives.hold(
      folder,
      entry,
      (url) => {
        if (first) void show(stage, url, entry).catch((cause) => stage.replaceChildren(notice(entry, explain(cause))));
        first = false;
      },
      { failed: (cause) => first && stage.replaceChildren(notice(entry, explain(cause))) },
    );
  }

  #step(by) {
    const files = this.#acts.files();
    const next = files[files.findIndex(({ path }) => path === this.#shown?.entry.path) + by];
    if (!next) return;
    this.#acts.moved(next);
    this.show(this.#shown.folder, next);
  }
}

const notice = (entry, words) => el("div", { class: "notice" }, icon(DRAWINGS[kindOf(entry)] ?? kindOf(entry)), el("p", {}, words));

async function picture(stage, url, entry) {
  const image = el("img", { src: url, alt: entry.name, "data-testid": "picture" });
  image.addEventListener("click", () => stage.classList.toggle("whole"));
  stage.replaceChildren(image);
  await image.decode().catch(() => {
    throw new Error("The browser cannot show this picture.");
  });
}

async function player(stage, url, entry) {
  const kind = kindOf(entry);
  const media = el(kind, { src: url, controls: true, autoplay: true, "aria-label": entry.name, "data-testid": kind });
  media.addEventListener("error", () => stage.replaceChildren(notice(entry, "The browser cannot play this. Open it on this computer.")));
  stage.replaceChildren(media);
}

async function frame(stage, url, entry) {
  if (navigator.pdfViewerEnabled === false) throw new Error("This browser shows no PDF. Download it, or open it on this computer.");
  stage.replaceChildren(el("iframe", { src: url, title: entry.name, "data-testid": "pdf" }));
}

async function text(stage, url, entry) {
  const answer = await fetch(url, { headers: { range: `bytes=0-${TEXT - 1}` }, credentials: "omit" });
  if (!answer.ok && entry.size > 0) throw new Error(`The computer answered ${answer.status}.`);
  const words = answer.ok ? await answer.text() : "";
  const more = entry.size > TEXT ? el("p", { class: "muted" }, `The first ${bytes(TEXT)} of ${bytes(entry.size)}.`) : "";
  stage.replaceChildren(el("pre", { tabindex: "0", "data-testid": "text", "aria-label": entry.name }, words), more);
}
