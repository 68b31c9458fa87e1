// A LiveKit server as far as signalling goes, on the published message types: its paths, its answers before and after
// the upgrade, and its habits. Media is played by a page: it joins as the peer of every participant (`peer.js`).

import { createHmac, randomBytes } from "node:crypto";
import http from "node:http";
import { gunzipSync } from "node:zlib";
import * as lk from "@livekit/protocol";
import { WebSocketServer } from "ws";

const PING_EVERY = 10_000;
const PATHS = ["/rtc", "/rtc/v1"];

/**
 * @param {{ paths?: string[], status?: number, text?: string, regions?: string[], iceServers?: object[] }} [options]
 *   `paths` that exist, `status` and `text` that the others and validation answer instead of their own. Without
 *   `iceServers` the page that plays the media peer must be on this machine.
 */
export async function startLiveKit({ paths = PATHS, status, text = "", regions = [], iceServers = [] } = {}) {
  const secret = randomBytes(16).toString("hex");
  const participants = new Map();
  const requests = [];
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 }, maxPayload: 2 << 20 });
  const peers = new WebSocketServer({ noServer: true });
  let peer = null;
  let count = 0;

  const server = http.createServer((request, response) => {
    const { pathname } = note(request, false);
    const say = (code, body, type = "text/plain; charset=utf-8") =>
      response.writeHead(code, { "access-control-allow-origin": "*", "content-type": type }).end(body);
    if (pathname === "/") return say(200, "OK");
    if (pathname === "/settings/regions") {
      const list = regions.map((url, at) => ({ region: `r${at}`, url, distance: String(at) }));
      return authorise(request) ? say(200, JSON.stringify({ regions: list }), "application/json") : say(401, "");
    }
    const base = pathname.replace(/\/validate$/, "");
    if (base === pathname || !PATHS.includes(base)) return response.writeHead(404).end();
    const no = refusal(request, base);
    say(no?.[0] ?? 200, no?.[1] ?? "success");
  });

  server.on("upgrade", (request, socket, head) => {
    if (request.url === "/peer") {
      return peers.handleUpgrade(request, socket, head, (ws) => {
        peer = ws;
        ws.on("message", (said) => heard(JSON.parse(said)));
      });
    }
    const seen = note(request, true);
    const no = refusal(request, seen.pathname);
    if (no) {
      const body = Buffer.from(no[1]);
      socket.end(`HTTP/1.1 ${no[0]} ${http.STATUS_CODES[no[0]]}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
      return;
    }
    // Only after all of this was found to be in order.
    sockets.handleUpgrade(request, socket, head, (ws) => enter(ws, request, seen));
  });

  /** What is wrong with a request, as status and text. */
  function refusal(request, path) {
    if (!paths.includes(path)) return [404, ""];
    if (status) return [status, text];
    return authorise(request) ? null : [401, "invalid authorization token"];
  }

  function note(request, upgrade) {
    const url = new URL(request.url, "http://lk");
    const seen = { method: request.method, upgrade, pathname: url.pathname, query: url.searchParams, headers: request.headers };
    requests.push(seen);
    return seen;
  }

  /** The claims of a token that is ours and still good. */
  function authorise(request) {
    const header = request.headers.authorization;
    if (header !== undefined && !header.startsWith("Bearer ")) return null;
    const token = header?.slice(7) ?? new URL(request.url, "http://lk").searchParams.get("access_token") ?? "";
    const [head, body, mark] = token.split(".");
    if (!mark || sign(`${head}.${body}`) !== mark) return null;
    const claims = JSON.parse(Buffer.from(body, "base64url"));
    return claims.exp * 1000 > Date.now() ? claims : null;
  }

  const sign = (what) => createHmac("sha256", secret).update(what).digest("base64url");

  function token(identity, { seconds = 600, room = "room" } = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "key", sub: identity, exp: Math.floor(Date.now() / 1000) + seconds, jti: randomBytes(4).toString("hex"), video: { room, roomJoin: true } };
    const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${body}.${sign(body)}`;
  }

  function enter(ws, request, { pathname, query }) {
    const { sub: identity, video } = authorise(request);
    const join = pathname === "/rtc/v1" ? unwrap(query.get("join_request")) : null;
    const again = join ? join.reconnect : query.get("reconnect") === "1";
    const sid = join ? join.participantSid : query.get("sid");
    const old = participants.get(identity);
    const person = again && old && old.sid === sid ? old : { sid: `PA_${++count}`, identity, leaves: 0, resumes: 0, offers: 0 };
    Object.assign(person, { ws, json: false, extensions: ws.extensions });
    // A browser's tab that was closed is no news.
    ws.on("error", () => {});
    const ping = setInterval(() => ws.ping(), PING_EVERY);
    ws.on("close", (code, reason) => {
      clearInterval(ping);
      person.closed = { code, reason: String(reason) };
    });
    ws.on("message", (bytes, binary) => {
      if (!binary) person.json = true;
      const message = binary ? lk.SignalRequest.fromBinary(bytes) : lk.SignalRequest.fromJsonString(String(bytes), { ignoreUnknownFields: true });
      obey(person, message.message);
    });
    if (again && person !== old) {
      say(person, "leave", new lk.LeaveRequest({ action: lk.LeaveRequest_Action.RECONNECT, reason: lk.DisconnectReason.STATE_MISMATCH }));
      return ws.close(1000);
    }
    if (again) {
      person.resumes++;
      return say(person, "reconnect", new lk.ReconnectResponse({ iceServers: iceServers.map((one) => new lk.ICEServer(one)), lastMessageSeq: 0 }));
    }
    participants.set(identity, person);
    const others = [...participants.values()].filter((other) => other !== person);
    say(person, "join", new lk.JoinResponse({
      room: new lk.Room({ sid: "RM_1", name: video.room }),
      participant: info(person),
      otherParticipants: others.map(info),
      serverVersion: "1.13.5",
      serverInfo: new lk.ServerInfo({ version: "1.13.5", protocol: 16 }),
      iceServers: iceServers.map((one) => new lk.ICEServer(one)),
      subscriberPrimary: false,
      pingTimeout: 15,
      pingInterval: 5,
    }));
    say(person, "refreshToken", token(identity));
    for (const other of others) say(other, "update", new lk.ParticipantUpdate({ participants: [info(person)] }));
    if (join?.publisherOffer) offer(person, join.publisherOffer);
  }

  function obey(person, { case: kind, value }) {
    if (kind === "pingReq") say(person, "pongResp", new lk.Pong({ lastPingTimestamp: value.timestamp, timestamp: BigInt(Date.now()) }));
    if (kind === "offer") offer(person, value);
    if (kind === "trickle") tell({ who: person.sid, candidate: value.candidateInit });
    if (kind === "leave") {
      person.leaves++;
      participants.delete(person.identity);
      person.ws.close(1000);
    }
  }

  function offer(person, { sdp, id }) {
    person.offers++;
    tell({ who: person.sid, sdp, id });
  }

  const tell = (what) => peer?.send(JSON.stringify(what));

  /** An answer of the page that plays media. */
  function heard({ who, sdp, id }) {
    const person = [...participants.values()].find((one) => one.sid === who);
    if (person) say(person, "answer", new lk.SessionDescription({ type: "answer", sdp, id }));
  }

  function say(person, kind, value) {
    const message = new lk.SignalResponse({ message: { case: kind, value } });
    if (person.ws.readyState === 1) person.ws.send(person.json ? message.toJsonString() : message.toBinary());
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const { port } = server.address();
  const upgrades = () => requests.filter((request) => request.upgrade);
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    requests,
    upgrades,
    participants,
    token,
    /** A token that the client is to use from now on. */
    refresh(identity) {
      const fresh = token(identity);
      say(participants.get(identity), "refreshToken", fresh);
      return fresh;
    },
    /** `DISCONNECT`, `RESUME` or `RECONNECT`. */
    leave: (identity, action) => say(participants.get(identity), "leave", new lk.LeaveRequest({ action: lk.LeaveRequest_Action[action] })),
    /** Cuts the wire, as a network does. */
    cut: (identity) => participants.get(identity).ws._socket.resetAndDestroy(),
    stop: () => {
      for (const ws of [...sockets.clients, ...peers.clients]) ws.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

function unwrap(text) {
  const wrapped = lk.WrappedJoinRequest.fromBinary(Buffer.from(text, "base64url"));
  const zipped = wrapped.compression === lk.WrappedJoinRequest_Compression.GZIP;
  return lk.JoinRequest.fromBinary(zipped ? gunzipSync(wrapped.joinRequest) : wrapped.joinRequest);
}

const info = ({ sid, identity }) => new lk.ParticipantInfo({ sid, identity, name: identity, state: lk.ParticipantInfo_State.ACTIVE });
