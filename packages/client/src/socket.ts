// A socket of the companion that a signed request opened, and that comes back by itself.

/** What is told on a socket; `kind` says what it is. */
export interface Message {
  kind: string;
  [member: string]: unknown;
}

/** A ticket for one socket at `route`, and where it goes. */
export type Ticket = (route: string) => Promise<{ ticket: string; listen: string }>;

interface Ways {
  ticket: Ticket;
  heard(message: Message): void;
  /** It is gone, and will be opened again. */
  lost?(): void;
}

/** The first pause before it is opened again, in milliseconds; doubled each time. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

export class Socket {
  readonly #route: string;
  readonly #ways: Ways;
  #socket: WebSocket | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE;
  #run = 0;

  constructor(route: string, ways: Ways) {
    this.#route = route;
    this.#ways = ways;
  }

  async open(): Promise<void> {
    const run = this.#run;
    const isOurs = () => run === this.#run;
    try {
      const { ticket, listen } = await this.#ways.ticket(this.#route);
      if (!isOurs()) return;
      const socket = new WebSocket(`ws://${listen}${this.#route}`, [
        "doorward.v1",
        `doorward.ticket.${ticket}`,
      ]);
      this.#socket = socket;
      socket.onmessage = ({ data }) => {
        if (isOurs()) this.#heard(data);
      };
      socket.onclose = () => {
        if (isOurs()) this.#later();
      };
    } catch {
      if (isOurs()) this.#later();
    }
  }

  /** Closes it, for good unless it is opened anew. */
  close(): void {
    this.#run += 1;
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#socket?.close();
    this.#socket = null;
    this.#pause = FIRST_PAUSE;
  }

  /** Gives this connection up, and opens another. */
  renew(): void {
    this.close();
    this.#ways.lost?.();
    void this.open();
  }

  /** If it waits to be opened again, it waits no longer. */
  soon(): void {
    if (this.#again === undefined) return;
    clearTimeout(this.#again);
    this.#again = undefined;
    void this.open();
  }

  /** Sends, or does nothing while there is no connection. */
  send(message: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #later(): void {
    this.#socket = null;
    this.#ways.lost?.();
    this.#again = setTimeout(() => {
      this.#again = undefined;
      void this.open();
    }, this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #heard(data: unknown): void {
    let message: Message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    if (typeof message?.kind !== "string") return;
    if (message.kind === "hello") this.#pause = FIRST_PAUSE;
    this.#ways.heard(message);
  }
}
