// A companion that shows what a real one cannot be made to show. The real one is met in
// tests/browser.

import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fields, utf8 } from "../src/bytes.js";
import type { KeyStore, Pairing } from "../src/keys.js";
import type { Scope } from "../src/pairing.js";

const KEY = Buffer.alloc(32, 7);
const KEY_ID = "MTIzNDU2Nzg5Ojs8PT4_QA";
export const runName = (letter: string) => `${letter.repeat(21)}A`;

/** A signed request. */
export interface Heard {
  method: string;
  url: string;
  /** Bytes as Latin-1. */
  body: string;
  headers: IncomingMessage["headers"];
  created: number;
  instance: string;
}

/** What a stand-in does with one; nothing is the usual answer. */
export type Act = (request: Heard) => Partial<Answer> | "drop" | undefined;

export interface Answer {
  status: number;
  body: unknown;
  signed: boolean;
}

export class StandIn {
  instance = runName("A");
  version = 1;
  proves = true;
  act: Act = () => undefined;
  readonly heard: { method: string; url: string; body: string; headers: IncomingMessage["headers"] }[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<StandIn> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const standIn = new StandIn(server);
    server.on("request", (request, response) => void standIn.#answer(request, response));
    return standIn;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Signed requests that came. */
  get signed() {
    return this.heard.filter(({ url }) => url !== "/hello");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    request.setEncoding("latin1");
    for await (const part of request) body += part;
    const { method = "", url = "", headers } = request;
    this.heard.push({ method, url, body, headers });
    const send = (status: number, told: unknown, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { "content-type": "application/json", ...headers })
        .end(JSON.stringify(told));
    const listen = `127.0.0.1:${this.port}`;
    if (url === "/hello") {
      const { challenge } = JSON.parse(body) as { challenge: string };
      const said = fields(
        utf8("doorward-hello-1"),
        new Uint8Array(Buffer.from(challenge, "base64url")),
        utf8(listen),
        utf8(this.instance),
      );
      const proof = createHmac("sha256", KEY).update(said).digest("base64url");
      const now = Math.floor(Date.now() / 1_000);
      const usual = {
        v: this.version,
        instance: this.instance,
        listen,
        now,
        pairing: "ask",
        paired: this.proves,
      };
      send(200, this.proves ? { ...usual, proof } : usual);
      return;
    }
    const input = String(request.headers["signature-input"]);
    const nonce = /;nonce="([^"]+)"/.exec(input)?.[1];
    const created = Number(/;created=(\d+)/.exec(input)?.[1]);
    const instance = String(headers["x-doorward-instance"]);
    const act = this.act({ method, url, body, headers, created, instance });
    if (act === "drop") {
      request.socket.destroy();
      return;
    }
    const { status = 200, body: told = { ok: true }, signed = true } = act ?? {};
    const text = JSON.stringify(told);
    const digest = `sha-256=:${createHash("sha256").update(text).digest("base64")}:`;
    const params = `("@status" "content-type" "content-digest");created=${created};nonce="${nonce}";keyid="${KEY_ID}";alg="hmac-sha256";tag="doorward-answer-1"`;
    const base = `"@status": ${status}\n"content-type": application/json\n"content-digest": ${digest}\n"@signature-params": ${params}`;
    const signature = createHmac("sha256", KEY).update(base).digest("base64");
    send(status, told, {
      "content-digest": digest,
      ...(signed && { "signature-input": `dw=${params}`, signature: `dw=:${signature}:` }),
    });
  }
}

export async function storeWith(
  kept: "key" | "lost" | null,
  scopes: Scope[] = [{ folder: "Notes", rights: ["read"] }],
): Promise<KeyStore & { cleared: boolean }> {
  const hmac = (uses: KeyUsage[]) =>
    crypto.subtle.importKey("raw", KEY, { name: "HMAC", hash: "SHA-256" }, false, uses);
  const pairing: Pairing = {
    keyId: KEY_ID,
    request: await hmac(["sign"]),
    response: await hmac(["verify"]),
    scopes,
    since: 0,
  };
  const store = {
    cleared: false,
    load: async () => (store.cleared ? null : kept === "key" ? pairing : kept),
    save: async () => {},
    clear: async () => {
      store.cleared = true;
    },
  };
  return store;
}
