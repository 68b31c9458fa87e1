// What is dropped on the page or chosen in it: files and whole folders from elsewhere, entries from the list itself.

import { $ } from "./dom.js";

/** Entries of this page that are dragged; their paths are read only when they are dropped. */
const OURS = "application/x-doorward-entries";

/**
 * @param acts `send(into, files)` with files of `{ path, file }` and folders of `{ path }`;
 *   `move(into, paths, copies)`; `place()` where a drop goes that hits no folder; `dragged(row)` the paths of a drag
 */
export function takeDrops(desk, acts) {
  let over = null;
  const shows = (event) => {
    const ours = event.dataTransfer.types.includes(OURS);
    const row = event.target.closest?.('[data-kind="directory"], [data-drop]');
    const into = row ? (row.dataset.drop ?? row.dataset.path) : ours ? null : "";
    if (!ours && !event.dataTransfer.types.includes("Files")) return null;
    return { ours, row, into };
  };
  const mark = (row) => {
    over?.classList.remove("over");
    over = row;
    over?.classList.add("over");
  };
  const leave = () => {
    mark(null);
    $("drop").hidden = true;
  };
  desk.addEventListener("dragstart", (event) => {
    const row = event.target.closest?.("[data-path]");
    if (!row) return;
    event.dataTransfer.setData(OURS, JSON.stringify(acts.dragged(row.dataset.path)));
    event.dataTransfer.effectAllowed = "copyMove";
  });
  desk.addEventListener("dragover", (event) => {
    const shown = acts.place() && shows(event);
    if (!shown) return;
    if (shown.ours && shown.into === null) return leave();
    event.preventDefault();
    event.dataTransfer.dropEffect = shown.ours && !event.ctrlKey ? "move" : "copy";
    mark(shown.row);
    $("drop").hidden = shown.ours;
    $("drop").firstElementChild.textContent = `Drop to upload into ${shown.row?.dataset.name ?? (shown.into || acts.place())}`;
  });
  desk.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) leave();
  });
  desk.addEventListener("drop", async (event) => {
    const shown = acts.place() && shows(event);
    leave();
    if (!shown || (shown.ours && shown.into === null)) return;
    event.preventDefault();
    const into = shown.row ? shown.into : null;
    if (shown.ours) return acts.move(into, JSON.parse(event.dataTransfer.getData(OURS)), event.ctrlKey);
    // They are gone from the event once this function has waited for anything.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = entries.length === 0 ? [...event.dataTransfer.files].map((file) => ({ path: file.name, file })) : [];
    acts.send(into, plain.length > 0 ? plain : await walked(entries));
  });
}

/** Files of `<input type="file">`; of a folder with their paths in it. */
export function chosen(input) {
  const files = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  const folders = new Set(files.flatMap(({ path }) => path.split("/").slice(0, -1).map((_, at, all) => all.slice(0, at + 1).join("/"))));
  input.value = "";
  return [...[...folders].map((path) => ({ path })), ...files];
}

/** Everything in what was dropped, folders before what is in them. */
async function walked(entries, base = "") {
  const all = [];
  for (const entry of entries) {
    const path = base + entry.name;
    if (entry.isFile) {
      all.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    } else {
      all.push({ path }, ...(await walked(await children(entry), `${path}/`)));
    }
  }
  return all;
}

async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    // Told in parts; an empty one is the last.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
