// The page's half by the companion's own vectors.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Bytes, base64url } from "../src/bytes.js";
import { Attempt, type Keys, type Scope } from "../src/pairing.js";
import { isAuthentic, provesItself, sign } from "../src/signing.js";

interface Request {
  method: string;
  target: string;
  body: string | null;
  created: number;
  nonce: string;
  key: string;
  keyId: string;
  headers: Record<string, string>;
}

const vectors = (name: string) => {
  const path = new URL(`../../../crates/doorward-companion/tests/vectors/${name}`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
};
const raw = (text: string): Bytes => new Uint8Array(Buffer.from(text, "base64url"));
const { subtle } = globalThis.crypto;

async function pairOf(secret: string, open: string): Promise<CryptoKeyPair> {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), raw(secret)]);
  const privateKey = await subtle.importKey("pkcs8", new Uint8Array(pkcs8), "X25519", false, ["deriveKey"]);
  return { privateKey, publicKey: await subtle.importKey("raw", raw(open), "X25519", true, []) };
}

const hmac = (key: string, uses: KeyUsage[]) =>
  subtle.importKey("raw", raw(key), { name: "HMAC", hash: "SHA-256" }, false, uses);

async function attempted(vector: Record<string, string>): Promise<Attempt> {
  const { label, scopes } = JSON.parse(vector.start ?? "") as { label: string; scopes: Scope[] };
  const pair = await pairOf(vector.pageSecret ?? "", vector.pagePublic ?? "");
  return Attempt.from(vector.origin ?? "", label, scopes, pair, raw(vector.pageNonce ?? ""));
}

describe("t63: a page pairs as the vectors say", () => {
  it.each(vectors("pairing.json") as Record<string, string>[])("$origin", async (vector) => {
    const attempt = await attempted(vector);
    expect(attempt.start).toBe(vector.start);
    expect(attempt.reveal).toBe(vector.reveal);
    const comparing = await attempt.compare(vector.offer ?? "", vector.listen ?? "");
    expect(comparing.code).toBe(vector.code);
    expect(comparing.proof).toBe(vector.pageProof);
    const keys = await comparing.paired(vector.daemonProof);
    expect(keys.keyId).toBe(vector.keyId);
    expect(keys.request.extractable || keys.response.extractable).toBe(false);
    const said = raw("AAAA");
    const ours = await subtle.sign("HMAC", keys.request, said);
    const theirs = await subtle.sign("HMAC", await hmac(vector.requestKey ?? "", ["sign"]), said);
    expect(base64url(new Uint8Array(ours))).toBe(base64url(new Uint8Array(theirs)));
  });

  const [vector = {}] = vectors("pairing.json") as Record<string, string>[];

  it("and from nobody who did not take part", async () => {
    const comparing = await (await attempted(vector)).compare(vector.offer ?? "", vector.listen ?? "");
    for (const proof of [vector.pageProof, "", undefined, 7, "A".repeat(43)]) {
      await expect(comparing.paired(proof)).rejects.toMatchObject({ code: "not-authentic" });
    }
  });

  it("every changed offer changes the digits or ends it", async () => {
    const { offer = "", listen = "" } = vector;
    const told = JSON.parse(offer);
    for (const [name, value] of [
      ["v", 2],
      ["listen", "127.0.0.1:1"],
      ["publicKey", base64url(new Uint8Array(32))],
      ["publicKey", base64url(new Uint8Array(32).fill(255))],
      ["publicKey", "short"],
      ["pid", "../cancel"],
    ]) {
      const bent = JSON.stringify({ ...told, [name as string]: value });
      await expect((await attempted(vector)).compare(bent, listen), String(name)).rejects.toThrow();
    }
    for (const name of ["nonce", "instance"]) {
      const value = told[name].replace(/^./, told[name].startsWith("A") ? "B" : "A");
      const comparing = await (await attempted(vector)).compare(
        JSON.stringify({ ...told, [name]: value }),
        listen,
      );
      expect(comparing.code, name).not.toBe(vector.code);
    }
  });
});

describe("a page signs as the vectors say", () => {
  const signing = vectors("signing.json");
  const keysOf = async (key: string, keyId: string): Promise<Keys> => ({
    keyId,
    request: await hmac(key, ["sign"]),
    response: await hmac(key, ["verify"]),
  });

  it.each(signing.requests as Request[])("$method $target", async (vector) => {
    const { method, target, body, created, nonce, key, keyId, headers } = vector;
    const offset = headers["x-doorward-offset"];
    const request = {
      method,
      url: new URL(target, "http://127.0.0.1:7319"),
      origin: headers.origin ?? "",
      instance: headers["x-doorward-instance"] ?? "",
      body:
        body === null
          ? undefined
          : {
              type: headers["content-type"] ?? "",
              bytes: raw(body),
              ...(offset && { offset: Number(offset) }),
            },
    };
    const signed = await sign(request, await keysOf(key, keyId), created, nonce);
    const { host, origin, ...expected } = headers;
    delete expected["content-length"];
    expect(signed.headers).toEqual(expected);
  });

  it("and knows the companion's answer from any other", async () => {
    const { key, keyId, nonce, status, headers, body } = signing.answer;
    const keys = await keysOf(key, keyId);
    const check = (more: object, other = nonce) =>
      isAuthentic(keys, other, { status, headers: new Headers(headers), body: raw(body), ...more });
    expect(await check({})).toBe(true);
    expect(await check({}, "AAAAAAAAAAAAAAAAAAAAAA")).toBe(false);
    expect(await check({ status: 201 })).toBe(false);
    expect(await check({ body: raw("AAAA") })).toBe(false);
    for (const name of Object.keys(headers)) {
      const bent = new Headers(headers);
      bent.delete(name);
      expect(await check({ headers: bent }), name).toBe(false);
    }
  });

  it("and the companion's hello", async () => {
    const { key, challenge, listen, instance, proof } = signing.hello;
    const keys = await keysOf(key, "x");
    expect(await provesItself(keys, raw(challenge), { listen, instance, proof })).toBe(true);
    expect(await provesItself(keys, raw(challenge), { listen: "127.0.0.1:1", instance, proof })).toBe(false);
    expect(await provesItself(keys, raw(challenge), { listen, instance })).toBe(false);
  });
});
