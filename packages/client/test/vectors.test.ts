// The companion's vectors, by a second hand: WebCrypto for the arithmetic, and a
// library that is not ours for RFC 9421. The daemon's own tests read the same files.

import { readFileSync } from "node:fs";
import { httpbis } from "http-message-signatures";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

interface Pairing {
  origin: string;
  listen: string;
  pageSecret: string;
  pageNonce: string;
  pagePublic: string;
  daemonSecret: string;
  daemonPublic: string;
  start: string;
  offer: string;
  reveal: string;
  commitment: string;
  transcript: string;
  shared: string;
  code: string;
  keyId: string;
  requestKey: string;
  responseKey: string;
  pageProof: string;
  daemonProof: string;
}

interface Signed {
  key: string;
  keyId: string;
  nonce: string;
  created: number;
  headers: Record<string, string>;
}

interface Signing {
  requests: (Signed & {
    method: string;
    target: string;
    body: string | null;
    expires: number;
    base: string;
  })[];
  answer: Signed & { status: number; body: string };
  hello: { key: string; challenge: string; listen: string; instance: string; proof: string };
}

type Bytes = Uint8Array<ArrayBuffer>;

const vectors = (name: string) => {
  const path = new URL(`../../../crates/doorward-companion/tests/vectors/${name}`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
};
const pairings: Pairing[] = vectors("pairing.json");
const signing: Signing = vectors("signing.json");

const { subtle } = globalThis.crypto;
const utf8 = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text));
const raw = (text: string): Bytes => new Uint8Array(Buffer.from(text, "base64url"));
const url64 = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(bytes as Uint8Array).toString("base64url");

function fields(...list: Bytes[]): Bytes {
  const parts = list.flatMap((field) => {
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, field.length);
    return [Buffer.from(length.buffer), Buffer.from(field)];
  });
  return new Uint8Array(Buffer.concat(parts));
}

const hash = async (...list: Bytes[]): Promise<Bytes> =>
  new Uint8Array(await subtle.digest("SHA-256", fields(...list)));

async function mac(key: string, bytes: Bytes): Promise<Bytes> {
  const imported = await subtle.importKey("raw", raw(key), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  return new Uint8Array(await subtle.sign("HMAC", imported, bytes));
}

/** A private key as WebCrypto reads one: PKCS #8 of RFC 8410. */
function privateKey(secret: string) {
  const head = Buffer.from("302e020100300506032b656e04220420", "hex");
  const bytes = new Uint8Array(Buffer.concat([head, Buffer.from(raw(secret))]));
  return subtle.importKey("pkcs8", bytes, "X25519", false, ["deriveKey", "deriveBits"]);
}

describe("t63: pairing by WebCrypto", () => {
  it.each(pairings)("$origin", async (vector) => {
    const origin = utf8(vector.origin);
    const commitment = await hash(
      utf8("doorward-pair-1 commit"),
      raw(vector.pagePublic),
      raw(vector.pageNonce),
      origin,
    );
    expect(url64(commitment)).toBe(vector.commitment);
    expect(JSON.parse(vector.start).commitment).toBe(vector.commitment);
    const transcript = await hash(
      utf8("doorward-pair-1"),
      utf8(vector.start),
      utf8(vector.offer),
      utf8(vector.reveal),
      origin,
      utf8(vector.listen),
    );
    expect(url64(transcript)).toBe(vector.transcript);

    // As a page does it: nothing that can be read out again.
    const theirs = await subtle.importKey("raw", raw(vector.daemonPublic), "X25519", true, []);
    const ours = await privateKey(vector.pageSecret);
    const agreement = { name: "X25519", public: theirs };
    expect(url64(await subtle.deriveBits(agreement, ours, 256))).toBe(vector.shared);
    const shared = await subtle.deriveKey(agreement, ours, "HKDF", false, ["deriveBits", "deriveKey"]);
    const info = (label: string) => ({
      name: "HKDF",
      hash: "SHA-256",
      salt: transcript,
      info: fields(utf8(`doorward-pair-1 ${label}`), transcript),
    });
    const bits = (label: string, bytes: number) => subtle.deriveBits(info(label), shared, 8 * bytes);
    const digits = new DataView(await bits("sas", 8)).getBigUint64(0) % 1_000_000n;
    const code = digits.toString().padStart(6, "0");
    expect(`${code.slice(0, 3)} ${code.slice(3)}`).toBe(vector.code);
    expect(url64(await bits("key id", 16))).toBe(vector.keyId);
    expect(url64(await bits("request", 32))).toBe(vector.requestKey);
    expect(url64(await bits("response", 32))).toBe(vector.responseKey);
    const prove = async (label: string, side: string) => {
      const hmac = { name: "HMAC", hash: "SHA-256", length: 256 };
      const key = await subtle.deriveKey(info(label), shared, hmac, false, ["sign"]);
      return url64(await subtle.sign("HMAC", key, fields(utf8(side), transcript)));
    };
    expect(await prove("confirm page", "B")).toBe(vector.pageProof);
    expect(await prove("confirm daemon", "D")).toBe(vector.daemonProof);
  });
});

describe("signing by another RFC 9421 library", () => {
  // It holds signatures to the time.
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_790_000_001_000, toFake: ["Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const verifier = (vector: Signed, tag: string) => ({
    keyLookup: async (params: { keyid?: string; tag?: string; nonce?: string }) => {
      expect(params).toMatchObject({ keyid: vector.keyId, nonce: vector.nonce, tag });
      return {
        id: vector.keyId,
        algs: ["hmac-sha256"],
        verify: async (data: Buffer, signature: Buffer) =>
          Buffer.from(await mac(vector.key, new Uint8Array(data))).equals(signature),
      };
    },
    requiredParams: ["created", "nonce", "keyid", "alg", "tag"],
  });

  it.each(signing.requests)("$method $target", async (vector) => {
    const url = `http://127.0.0.1:7319${vector.target}`;
    const request = { method: vector.method, url, headers: vector.headers };
    const config = verifier(vector, "doorward-sign-1");
    expect(await httpbis.verifyMessage(config, request)).toBe(true);
    const bent = { ...request, url: `${url}&more` };
    expect(await httpbis.verifyMessage(config, bent)).toBe(false);

    // What it would sign is what we sign, letter for letter.
    let base = "";
    const names = /^dw=\(([^)]*)\)/.exec(vector.headers["signature-input"] ?? "")?.[1];
    const { signature, "signature-input": input, ...unsigned } = vector.headers;
    const signed = await httpbis.signMessage(
      {
        key: {
          id: vector.keyId,
          alg: "hmac-sha256",
          sign: async (data) => {
            base = data.toString();
            return Buffer.from(await mac(vector.key, new Uint8Array(data)));
          },
        },
        name: "dw",
        fields: (names ?? "").split(" ").map((name) => name.slice(1, -1)),
        params: ["created", "expires", "nonce", "keyid", "alg", "tag"],
        paramValues: {
          created: new Date(vector.created * 1_000),
          expires: new Date(vector.expires * 1_000),
          nonce: vector.nonce,
          tag: "doorward-sign-1",
        },
      },
      { ...request, headers: unsigned },
    );
    expect(base).toBe(vector.base);
    expect(signed.headers).toMatchObject({ Signature: signature, "Signature-Input": input });
  });

  it("an answer", async () => {
    const { status, headers, body } = signing.answer;
    const config = verifier(signing.answer, "doorward-answer-1");
    expect(await httpbis.verifyMessage(config, { status, headers })).toBe(true);
    expect(await httpbis.verifyMessage(config, { status: 201, headers })).toBe(false);
    const digest = Buffer.from(await subtle.digest("SHA-256", raw(body)));
    expect(headers["content-digest"]).toBe(`sha-256=:${digest.toString("base64")}:`);
  });

  it("a hello", async () => {
    const { key, challenge, listen, instance, proof } = signing.hello;
    const said = fields(utf8("doorward-hello-1"), raw(challenge), utf8(listen), utf8(instance));
    expect(url64(await mac(key, said))).toBe(proof);
  });
});
