// What the companion tells as it happens: a WebSocket that a signed request opened.

/** Something that happened; `kind` says what. */
export interface DoorEvent {
  kind: string;
  [member: string]: unknown;
}

export type Listener = (event: DoorEvent) => void;

interface Ways {
  /** A ticket for one socket, and where it goes. */
  ticket(): Promise<{ ticket: string; listen: string }>;
  /** The pairing was ended. */
  ended(): void;
}

/** The first pause before the socket is opened again, in milliseconds; doubled each time. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

export class Events {
  readonly #ways: Ways;
  readonly #listeners = new Set<Listener>();
  #socket: WebSocket | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE;
  #run = 0;

  constructor(ways: Ways) {
    this.#ways = ways;
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) void this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.stop();
    };
  }

  /** Closes the socket, for good unless somebody listens anew. */
  stop(): void {
    this.#run += 1;
    clearTimeout(this.#again);
    this.#socket?.close();
    this.#socket = null;
    this.#listeners.clear();
    this.#pause = FIRST_PAUSE;
  }

  async #open(): Promise<void> {
    const run = this.#run;
    try {
      const { ticket, listen } = await this.#ways.ticket();
      if (run !== this.#run) return;
      const socket = new WebSocket(`ws://${listen}/events`, ["doorward.v1", `doorward.ticket.${ticket}`]);
      this.#socket = socket;
      socket.onmessage = ({ data }) => this.#heard(data);
      socket.onclose = () => {
        if (run === this.#run) this.#later();
      };
    } catch {
      if (run === this.#run) this.#later();
    }
  }

  #later(): void {
    this.#again = setTimeout(() => void this.#open(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #heard(data: unknown): void {
    let event: DoorEvent;
    try {
      event = JSON.parse(String(data));
    } catch {
      return;
    }
    if (typeof event?.kind !== "string") return;
    if (event.kind === "hello") this.#pause = FIRST_PAUSE;
    for (const listener of [...this.#listeners]) listener(event);
    if (event.kind === "pairing.revoked") this.#ways.ended();
  }
}
