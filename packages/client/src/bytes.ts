// Bytes, text, and the two hashes that both sides compute.

export type Bytes = Uint8Array<ArrayBuffer>;

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export const random = (length: number): Bytes => crypto.getRandomValues(new Uint8Array(length));

/** RFC 4648, with padding. */
export function base64(bytes: Bytes): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** RFC 4648 §5, without padding. */
export function base64url(bytes: Bytes): string {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Reads both alphabets. `null` for anything else, and for another length. */
export function decoded(text: unknown, length: number): Bytes | null {
  if (typeof text !== "string" || !/^[\w+/-]*={0,2}$/.test(text)) return null;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return binary.length === length ? Uint8Array.from(binary, (letter) => letter.charCodeAt(0)) : null;
  } catch {
    return null;
  }
}

/** Fields, each after its length in four bytes, so that no two lists read the same. */
export function fields(...list: Bytes[]): Bytes {
  const bytes = new Uint8Array(list.reduce((sum, field) => sum + 4 + field.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const field of list) {
    view.setUint32(at, field.length);
    bytes.set(field, at + 4);
    at += 4 + field.length;
  }
  return bytes;
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export async function mac(key: CryptoKey, bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes));
}

/** `Content-Digest` (RFC 9530). */
export const contentDigest = async (bytes: Bytes): Promise<string> =>
  `sha-256=:${base64(await sha256(bytes))}:`;
