// Signed requests and answers: one frozen profile of RFC 9421.

import { type Bytes, base64, base64url, contentDigest, decoded, fields, mac, random, utf8 } from "./bytes.js";
import type { Keys } from "./pairing.js";

/** Seconds for which a signature is good. The companion takes up to 60. */
const LIFE = 30;

export interface Unsigned {
  /** In capitals. */
  method: string;
  /** As the WHATWG URL Standard reads it. */
  url: URL;
  origin: string;
  /** The run of the companion that is meant. */
  instance: string;
  body?: { type: string; bytes: Bytes; offset?: number } | undefined;
}

/** What goes into the headers, and what the answer has to name. */
export interface Signed {
  headers: Record<string, string>;
  nonce: string;
}

/** Signs a request at `now`, in seconds since 1970 by the companion's clock. */
export async function sign(
  request: Unsigned,
  keys: Keys,
  now: number,
  nonce = base64url(random(16)),
): Promise<Signed> {
  const { method, url, origin, instance, body } = request;
  const parts: [string, string][] = [
    ["@method", method],
    ["@authority", url.host],
    ["@path", url.pathname],
    ["@query", url.search || "?"],
    ["origin", origin],
    ["x-doorward-instance", instance],
  ];
  const headers: Record<string, string> = { "x-doorward-instance": instance };
  if (body) {
    headers["content-type"] = body.type;
    headers["content-digest"] = await contentDigest(body.bytes);
    if (body.offset !== undefined) headers["x-doorward-offset"] = String(body.offset);
    for (const name of ["content-type", "content-digest", "x-doorward-offset"]) {
      const value = headers[name];
      if (value !== undefined) parts.push([name, value]);
    }
  }
  const names = parts.map(([name]) => `"${name}"`).join(" ");
  const created = Math.floor(now);
  const params = `(${names});created=${created};expires=${created + LIFE};nonce="${nonce}";keyid="${keys.keyId}";alg="hmac-sha256";tag="doorward-sign-1"`;
  const lines = [...parts, ["@signature-params", params]].map(([name, value]) => `"${name}": ${value}`);
  const signature = await mac(keys.request, utf8(lines.join("\n")));
  headers["signature-input"] = `dw=${params}`;
  headers.signature = `dw=:${base64(signature)}:`;
  return { headers, nonce };
}

/** Whether the companion signed this answer, to the request with `nonce`. */
export async function isAuthentic(
  keys: Keys,
  nonce: string,
  answer: { status: number; headers: Headers; body: Bytes },
): Promise<boolean> {
  const { status, headers, body } = answer;
  const input = headers.get("signature-input") ?? "";
  const signature = /^dw=:([^:]+):$/.exec(headers.get("signature") ?? "")?.[1];
  const created = /;created=(\d{1,15});/.exec(input)?.[1];
  const digest = await contentDigest(body);
  const params = `("@status" "content-type" "content-digest");created=${created};nonce="${nonce}";keyid="${keys.keyId}";alg="hmac-sha256";tag="doorward-answer-1"`;
  const bytes = decoded(signature, 32);
  if (!bytes || input !== `dw=${params}` || headers.get("content-digest") !== digest) return false;
  const kind = headers.get("content-type") ?? "";
  const base = `"@status": ${status}\n"content-type": ${kind}\n"content-digest": ${digest}\n"@signature-params": ${params}`;
  return crypto.subtle.verify("HMAC", keys.response, bytes, utf8(base));
}

/** Whether who answered `challenge` at `listen`, in the run `instance`, has the page's key. */
export async function provesItself(
  keys: Keys,
  challenge: Bytes,
  hello: { listen: string; instance: string; proof?: unknown },
): Promise<boolean> {
  const bytes = decoded(hello.proof, 32);
  const said = fields(utf8("doorward-hello-1"), challenge, utf8(hello.listen), utf8(hello.instance));
  return bytes !== null && crypto.subtle.verify("HMAC", keys.response, bytes, said);
}
