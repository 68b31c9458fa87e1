// Where the page keeps its pairing: IndexedDB, because it alone keeps keys that
// cannot be read out. A word beside it, in localStorage, tells a page that lost its
// keys from one that never had any.

import { DoorwardError } from "./errors.js";
import type { Keys, Scope } from "./pairing.js";

export interface Pairing extends Keys {
  scopes: Scope[];
  /** Milliseconds since 1970. */
  since: number;
}

/** Keeps one pairing. */
export interface KeyStore {
  /** The pairing; `null` if there never was one, `"lost"` if it is gone. */
  load(): Promise<Pairing | null | "lost">;
  save(pairing: Pairing): Promise<void>;
  clear(): Promise<void>;
}

const DATABASE = "doorward";
const TABLE = "pairings";
const OURS = "companion";
const MARK = "doorward.paired";

/** What this browser profile keeps for this origin. */
export const browserStore: KeyStore = {
  async load() {
    const found = await inTable<Pairing | undefined>("readonly", (table) => table.get(OURS)).catch(
      () => undefined,
    );
    return found ?? (marked() ? "lost" : null);
  },
  async save(pairing) {
    try {
      await inTable("readwrite", (table) => table.put(pairing, OURS));
    } catch (cause) {
      throw new DoorwardError("storage", "This browser does not keep the key: is it a private window?", {
        cause,
      });
    }
    mark(true);
  },
  async clear() {
    mark(false);
    await inTable("readwrite", (table) => table.delete(OURS)).catch(() => {});
  },
};

function inTable<T>(mode: IDBTransactionMode, work: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
    opening.onerror = () => reject(opening.error);
    opening.onblocked = () => reject(new Error("another tab holds an older database"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(TABLE, mode);
      const request = work(transaction.objectStore(TABLE));
      transaction.oncomplete = () => {
        database.close();
        resolve(request.result);
      };
      transaction.onabort = () => {
        database.close();
        reject(transaction.error);
      };
    };
  });
}

function marked(): boolean {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    return false;
  }
}

function mark(paired: boolean): void {
  try {
    if (paired) localStorage.setItem(MARK, "1");
    else localStorage.removeItem(MARK);
  } catch {
    // It only tells two states apart.
  }
}
