/**
 * Pages that use what is on the computer in front of them: paired once by the person,
 * every request signed.
 *
 * @example
 * const door = await connect();
 * if (door.state.value === "unpaired") {
 *   const waiting = await door.pair({ label: "Notes" });
 *   show(waiting.code);
 *   await waiting.done;
 * }
 * const me = await door.call("/pairing");
 */
export {
  type ConnectOptions,
  connect,
  Door,
  type DoorInit,
  type Observable,
  type OpenRelay,
  PORTS,
  type State,
} from "./door.js";
export type {
  Drives,
  Found,
  Listing,
  ListOptions,
  Page,
  SearchOptions,
  Target,
} from "./drives.js";
export type { Entry, Folder, OnConflict, SortBy } from "./entry.js";
export { Conflict, DoorwardError, type Incoming } from "./errors.js";
export type { DoorEvent, Listener } from "./events.js";
export type { Named, UrlOptions } from "./grants.js";
export type { Job, JobProgress } from "./jobs.js";
export type { KeyStore, Pairing } from "./keys.js";
export type { Asking, Waiting } from "./pair.js";
export type { Right, Scope } from "./pairing.js";
export type { Permission } from "./reach.js";
export type { Upload, UploadOptions, UploadProgress } from "./upload.js";
export type { Change, WatchEvent, Watcher } from "./watch.js";
