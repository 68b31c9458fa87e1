// Beside the list: what is selected, and what changed just now.

import { $, act, el, icon } from "./dom.js";
import { copied } from "./thumbs.js";
import { bytes, count, DRAWINGS, isFile, kindOf, kindWords, when } from "./words.js";

const NEWS = 6;
const WHAT = { created: "came", changed: "changed", removed: "went", renamed: "has a new name" };

export function details({ directory, selection, thumbOf, acts }) {
  let shown = "";
  const draw = () => {
    const { entries } = selection;
    const mark = JSON.stringify([directory.folder, directory.path, directory.total, entries]);
    if (mark === shown) return;
    shown = mark;
    const card = $("details");
    const parts = entries.length === 1 ? one(entries[0]) : several(entries);
    card.replaceChildren(...parts);
  };
  const title = (words) => el("header", {}, el("h2", { id: "details-title" }, words));
  const facts = (list) => {
    const made = el("dl", { class: "facts" });
    for (const [name, value] of list) if (value) made.append(el("dt", {}, name), el("dd", {}, value));
    return made;
  };
  const several = (entries) => {
    if (entries.length > 1) {
      const size = entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
      return [title(count(entries.length, "entry", "entries")), facts([["Together", bytes(size)]])];
    }
    const name = directory.path.split("/").at(-1) || directory.folder || "Files";
    const total = directory.total ?? directory.entries.length;
    return [title(name), facts([["Holds", directory.loading || directory.trouble ? "" : count(total, "entry", "entries")], ["In", directory.path ? [directory.folder, ...directory.path.split("/").slice(0, -1)].join(" / ") : ""]])];
  };
  const one = (entry) => {
    const kind = kindOf(entry);
    const face = el("div", { class: `portrait ${kind}` }, icon(DRAWINGS[kind] ?? kind));
    void Promise.resolve(thumbOf(directory.folder, entry)).then((canvas) => {
      if (canvas) face.replaceChildren(copied(canvas));
    });
    const buttons = isFile(entry) && [
      act(null, "Preview", () => acts.preview(entry), { class: "btn main" }),
      act("down", "Download", () => acts.download([entry])),
      act("open", "Open here", () => acts.openThere(entry), { title: "Open on this computer, in its own application" }),
    ];
    return [
      title(entry.name),
      face,
      facts([
        ["Kind", entry.mediaType ? `${kindWords(entry)} (${entry.mediaType.split(";")[0]})` : kindWords(entry)],
        ["Size", isFile(entry) ? bytes(entry.size) : ""],
        ["Changed", when(entry.modifiedAt)],
        ["Made", entry.createdAt ? when(entry.createdAt) : ""],
        ["May be changed", entry.readOnly ? "no" : ""],
      ]),
      el("div", { class: "acts" }, ...(buttons || [act(null, "Open", () => acts.open(entry), { class: "btn main" })])),
    ];
  };
  directory.addEventListener("change", draw);
  selection.addEventListener("change", draw);

  directory.addEventListener("news", ({ detail }) => {
    for (const { name, what, from } of detail) {
      const words = what === "renamed" ? `was ${from}` : WHAT[what];
      const at = new Date().toLocaleTimeString();
      $("news-list").prepend(el("li", { class: "row" }, el("div", { class: "a" }, el("b", {}, name), el("time", { class: "muted" }, at)), el("p", { class: "muted" }, words)));
    }
    while ($("news-list").children.length > NEWS) $("news-list").lastElementChild.remove();
    $("news").hidden = false;
  });
}
