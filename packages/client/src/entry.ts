// What is in a folder, as the companion tells it. The Rust types are in
// crates/doorward-companion/src/drives.

import type { Right } from "./pairing.js";

/** A folder that the person shares, or a drive of the machine. */
export interface Folder {
  name: string;
  /** What this page may do in it. */
  rights: Right[];
  kind: "folder" | "fixed" | "removable" | "network" | "virtual" | "unknown";
  /** `absent`: unplugged or unmounted; `denied`: the system lets nobody in. */
  state: "ready" | "absent" | "denied";
  readOnly: boolean;
  totalBytes: number | null;
  freeBytes: number | null;
}

/** A file or a directory. */
export interface Entry {
  name: string;
  /** From the folder's root, with `/` between names. */
  path: string;
  kind: "file" | "directory" | "symlink" | "other";
  /** Of a link: what it leads to inside of the folder. */
  leadsTo?: "file" | "directory" | "other";
  /** Bytes; `null` where it has none. */
  size: number | null;
  /** RFC 3339. */
  modifiedAt: string | null;
  createdAt: string | null;
  hidden: boolean;
  readOnly: boolean;
  /** By its name: `image/png`. */
  mediaType: string | null;
  /** Changes with a file's bytes. */
  etag: string | null;
}

/** What to do where something of the name is already there. */
export type OnConflict = "fail" | "replace" | "keepBoth";

/** What a folder's entries are sorted by. */
export type SortBy = "name" | "size" | "modified" | "kind";
