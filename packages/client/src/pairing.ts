// The page's half of the pairing: commit, compare, prove. X25519 (RFC 7748) and
// HKDF-SHA256 (RFC 5869) of WebCrypto; no key can be read out again.

import { type Bytes, base64url, decoded, fields, mac, random, sha256, utf8 } from "./bytes.js";
import { DoorwardError } from "./errors.js";

export type Right = "read" | "write" | "delete";

/** A folder by the name under which the person shares it, and what may be done in it. */
export interface Scope {
  folder: string;
  rights: Right[];
}

/** What a paired page holds. */
export interface Keys {
  keyId: string;
  /** Signs this page's requests. */
  request: CryptoKey;
  /** Proves the companion's answers. */
  response: CryptoKey;
}

/** Keys that count once both sides proved them. */
export interface Comparing {
  pid: string;
  /** `123 456`: what the person compares. */
  code: string;
  /** What the page sends once its person confirmed. */
  proof: string;
  /** The keys, if `proof` is the companion's. */
  paired(proof: unknown): Promise<Keys>;
}

const SUITE = "X25519-SHA256";
export const VERSION = 1;
const HMAC = { name: "HMAC", hash: "SHA-256", length: 256 };

/** One attempt of a page. */
export class Attempt {
  /** The first message. */
  readonly start: string;
  /** The second. */
  readonly reveal: string;
  readonly #origin: string;
  readonly #key: CryptoKey;

  private constructor(origin: string, key: CryptoKey, start: string, reveal: string) {
    this.#origin = origin;
    this.#key = key;
    this.start = start;
    this.reveal = reveal;
  }

  /** Draws a key and a nonce, and commits to them. */
  static async begin(origin: string, label: string, scopes: Scope[]): Promise<Attempt> {
    let pair: CryptoKeyPair;
    try {
      pair = (await crypto.subtle.generateKey("X25519", false, ["deriveKey"])) as CryptoKeyPair;
    } catch (cause) {
      throw new DoorwardError("unsupported", "This browser has no X25519.", { cause });
    }
    return Attempt.from(origin, label, scopes, pair, random(32));
  }

  /** The attempt that drew this key and nonce: for vectors. */
  static async from(origin: string, label: string, scopes: Scope[], pair: CryptoKeyPair, nonce: Bytes) {
    const open = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const committed = await sha256(fields(utf8("doorward-pair-1 commit"), open, nonce, utf8(origin)));
    const start = { v: VERSION, suite: SUITE, commitment: base64url(committed), label, scopes };
    const reveal = { publicKey: base64url(open), nonce: base64url(nonce) };
    return new Attempt(origin, pair.privateKey, JSON.stringify(start), JSON.stringify(reveal));
  }

  /**
   * Derives everything from the companion's offer, as it arrived. `listen` is the
   * address that this page called, whatever the offer says.
   */
  async compare(offer: string, listen: string): Promise<Comparing> {
    const { pid, open } = read(offer, listen);
    const said = [this.start, offer, this.reveal, this.#origin, listen];
    const transcript = await sha256(fields(utf8("doorward-pair-1"), ...said.map(utf8)));
    const theirs = await crypto.subtle.importKey("raw", open, "X25519", true, []);
    const uses: KeyUsage[] = ["deriveBits", "deriveKey"];
    // It fails for a point of small order.
    const shared = await crypto.subtle.deriveKey(
      { name: "X25519", public: theirs },
      this.#key,
      "HKDF",
      false,
      uses,
    );
    const info = (label: string) => ({
      name: "HKDF",
      hash: "SHA-256",
      salt: transcript,
      info: fields(utf8(`doorward-pair-1 ${label}`), transcript),
    });
    const bits = (label: string, bytes: number) => crypto.subtle.deriveBits(info(label), shared, 8 * bytes);
    const key = (label: string, uses: KeyUsage[]) =>
      crypto.subtle.deriveKey(info(label), shared, HMAC, false, uses);
    const number = new DataView(await bits("sas", 8)).getBigUint64(0) % 1_000_000n;
    const digits = number.toString().padStart(6, "0");
    const [page, daemon] = [await key("confirm page", ["sign"]), await key("confirm daemon", ["verify"])];
    return {
      pid,
      code: `${digits.slice(0, 3)} ${digits.slice(3)}`,
      proof: base64url(await mac(page, fields(utf8("B"), transcript))),
      paired: async (proof) => {
        const bytes = decoded(proof, 32);
        const proven =
          bytes && (await crypto.subtle.verify("HMAC", daemon, bytes, fields(utf8("D"), transcript)));
        if (!proven)
          throw new DoorwardError("not-authentic", "What answers did not take part in the pairing.");
        return {
          keyId: base64url(new Uint8Array(await bits("key id", 16))),
          request: await key("request", ["sign"]),
          response: await key("response", ["verify"]),
        };
      },
    };
  }
}

function read(offer: string, listen: string): { pid: string; open: Bytes } {
  const wrong = new DoorwardError("malformed", "The companion's offer cannot be read.");
  let told: Record<string, unknown>;
  try {
    told = JSON.parse(offer);
  } catch {
    throw wrong;
  }
  if (told?.v !== VERSION)
    throw new DoorwardError("version-mismatch", "The companion speaks another version.");
  const open = decoded(told.publicKey, 32);
  const { pid } = told;
  if (
    !open ||
    !isCanonical(open) ||
    told.listen !== listen ||
    typeof pid !== "string" ||
    !/^[\w-]+$/.test(pid)
  )
    throw wrong;
  return { pid, open };
}

/** Below 2^255 - 19, little-endian: what RFC 7748 would mask away is refused. */
function isCanonical(point: Bytes): boolean {
  const [low = 0, high = 255] = [point[0], point[31]];
  const top = high === 0x7f && point.subarray(1, 31).every((byte) => byte === 0xff);
  return high <= 0x7f && !(top && low >= 0xed);
}
