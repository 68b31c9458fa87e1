// LiveKit's habits, as pure functions. The daemon has the same ones (crates/doorward-relay/src/livekit.rs); both are
// held to one table, crates/doorward-relay/tests/livekit.json.

/**
 * What to give to `RTCPeerConnection` for the LiveKit server at `upstreamUrl`, the server's own URL and not the
 * relay's: `relay` for a server elsewhere, so that media too leaves the way that was opened; nothing for one on this
 * machine. `iceServers` is never part of it: the server's own list brings the credentials. What cannot be read counts
 * as elsewhere.
 *
 * ```ts
 * await room.connect(url, token, { rtcConfig: rtcConfig(upstreamUrl) });
 * ```
 */
export function rtcConfig(upstreamUrl: string): { iceTransportPolicy?: "relay" } {
  const url = read(upstreamUrl);
  return url && isLoopback(url.host) ? {} : { iceTransportPolicy: "relay" };
}

/**
 * The URL under which a page reaches a LiveKit server that calls itself local, although it stands beside a relay
 * server that does not: the relay's host with everything else as it was, but one slash at the end less.
 *
 * Nothing changes if the LiveKit URL is not loopback, if the relay's is, or if either cannot be read. The scheme is
 * never changed, and no host comes in that `relayUrl` does not name.
 */
export function rewriteLocalhost(livekitUrl: string, relayUrl: string): string {
  const livekit = read(livekitUrl);
  const relay = read(relayUrl);
  if (!livekit || !relay || !isLoopback(livekit.host) || isLoopback(relay.host)) return livekitUrl;
  // Not out of a query: a token may end in a slash.
  const tail = /[?#]/.test(livekit.tail) ? livekit.tail : livekit.tail.replace(/\/$/, "");
  return `${livekit.scheme}://${livekit.userinfo}${relay.host}${livekit.port}${tail}`;
}

/** A URL in its parts, as it is written. */
interface Parts {
  scheme: string;
  /** With its `@`, or empty. */
  userinfo: string;
  /** An IPv6 address in brackets. */
  host: string;
  /** With its `:`, or empty. */
  port: string;
  /** Path, query and fragment. */
  tail: string;
}

const URL_PARTS = /^(wss?|https?):\/\/([^/?#]*)(.*)$/is;

function read(text: string): Parts | null {
  if (/[\p{White_Space}\p{Cc}\\]/u.test(text)) return null;
  const [, scheme, whole, tail] = URL_PARTS.exec(text) ?? [];
  if (scheme === undefined || whole === undefined || tail === undefined) return null;
  const at = whole.lastIndexOf("@") + 1;
  const authority = whole.slice(at);
  const bracket = authority.indexOf("]") + 1;
  const colon = authority.indexOf(":");
  const end = bracket || (colon < 0 ? authority.length : colon);
  const host = authority.slice(0, end);
  const port = authority.slice(end);
  const plain = port === "" || (/^:[0-9]+$/.test(port) && Number(port.slice(1)) <= 65_535);
  return host && plain ? { scheme, userinfo: whole.slice(0, at), host, port, tail } : null;
}

/** `localhost` and below, 127/8, `::1` and both wildcard addresses. */
function isLoopback(host: string): boolean {
  if (host.startsWith("[") && host.endsWith("]")) {
    const v6 = canonical(host);
    return v6 === "[::1]" || v6 === "[::]" || v6 === "[::ffff:0:0]" || /^\[::ffff:7f[0-9a-f]{2}:/.test(v6);
  }
  const name = host.replace(/\.$/, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || name === "0.0.0.0") return true;
  const bytes = /^127\.(\d+)\.(\d+)\.(\d+)$/.exec(name)?.slice(1) ?? [];
  return bytes.length === 3 && bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) < 256);
}

/** An IPv6 address as browsers write it, or nothing. */
function canonical(host: string): string {
  try {
    return new URL(`http://${host}/`).hostname;
  } catch {
    return "";
  }
}
