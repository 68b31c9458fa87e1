// The paths of an archive as a tree to look into. Names are shown, never followed: `..` is a name like any other.

import type { Packed } from "./read";

export interface Branch {
  name: string;
  folders: Branch[];
  files: { name: string; size: number; locked: boolean }[];
  /** Files in it and below. */
  count: number;
  size: number;
}

/** Deeper folders than this are shown in one line. */
const DEEPEST = 32;

export function treeOf(entries: readonly Packed[]): Branch {
  const root = branch("");
  // By name below each branch: keys made of whole paths would repeat a long name once per folder under it.
  const below = new Map<Branch, Map<string, Branch>>([[root, new Map()]]);
  for (const entry of entries) {
    const path = entry.path.split("/");
    // A file always has a row, whatever it is called.
    const name = entry.folder ? null : path.pop() || "no name";
    const parts = path.filter((part) => part !== "" && part !== ".");
    if (parts.length > DEEPEST) parts.splice(DEEPEST, parts.length, parts.slice(DEEPEST).join("/"));
    let at = root;
    const above = [root];
    for (const part of parts) {
      let next = below.get(at)?.get(part);
      if (!next) {
        next = branch(shown(part));
        at.folders.push(next);
        below.get(at)?.set(part, next);
        below.set(next, new Map());
      }
      at = next;
      above.push(at);
    }
    if (name === null) continue;
    at.files.push({ name: shown(name), size: entry.size, locked: entry.locked });
    for (const one of above) {
      one.count += 1;
      one.size += entry.size;
    }
  }
  for (const one of below.keys()) {
    one.folders.sort((a, b) => compare(a.name, b.name));
    one.files.sort((a, b) => compare(a.name, b.name));
  }
  return root;
}

const branch = (name: string): Branch => ({ name, folders: [], files: [], count: 0, size: 0 });

/** Without what would turn or hide the text around it. */
const shown = (name: string): string => name.replace(UNSHOWN, "�");

/** Controls, line breaks, what turns text, what has no width, and halves of characters. Not the joiners: writing needs
 *  them. */
const UNSHOWN =
  /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const { compare } = new Intl.Collator("en", { numeric: true });
