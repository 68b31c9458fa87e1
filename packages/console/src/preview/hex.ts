// Bytes as people read them: sixteen a line, with their offset and what of them is ASCII. Pure.

export const LINE = 16;

export function hexLines(bytes: Uint8Array, from: number): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    const part = bytes.subarray(at, at + LINE);
    const pairs = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
    const left = pairs.slice(0, 8).join(" ").padEnd(23);
    const right = pairs.slice(8).join(" ").padEnd(23);
    const letters = Array.from(part, (byte) =>
      byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·",
    ).join("");
    lines.push(`${offset(from + at)}  ${left}  ${right}  ${letters}`);
  }
  return lines.join("\n");
}

export const offset = (at: number): string => at.toString(16).padStart(8, "0");
