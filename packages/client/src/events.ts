// What the companion tells as it happens, to whoever listens.

import { type Message, Socket, type Ticket } from "./socket.js";

/** Something that happened; `kind` says what. */
export type DoorEvent = Message;

export type Listener = (event: DoorEvent) => void;

interface Ways {
  ticket: Ticket;
  /** The pairing was ended. */
  ended(): void;
}

export class Events {
  readonly #listeners = new Set<Listener>();
  readonly #socket: Socket;

  constructor({ ticket, ended }: Ways) {
    this.#socket = new Socket("/events", {
      ticket,
      heard: (event) => {
        for (const listener of [...this.#listeners]) listener(event);
        if (event.kind === "pairing.revoked") ended();
      },
    });
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) void this.#socket.open();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#socket.close();
    };
  }

  /** Opens the socket now, if it waits. */
  soon(): void {
    this.#socket.soon();
  }

  /** Closes the socket, for good unless somebody listens anew. */
  stop(): void {
    this.#listeners.clear();
    this.#socket.close();
  }
}
