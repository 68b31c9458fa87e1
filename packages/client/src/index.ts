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
export { DoorwardError } from "./errors.js";
export type { DoorEvent, Listener } from "./events.js";
export type { KeyStore, Pairing } from "./keys.js";
export type { Asking, Waiting } from "./pair.js";
export type { Right, Scope } from "./pairing.js";
export type { Permission } from "./reach.js";
