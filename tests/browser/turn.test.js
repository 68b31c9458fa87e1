// Media through the relay: pages that may use nothing but TURN, and a real coturn behind ports of ours.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as lk from "@livekit/protocol";
import { WebSocketServer } from "ws";
import { needsCoturn, startCoturn } from "./lib/coturn.js";
import { inEngines } from "./lib/engines.js";
import { startForeign } from "./lib/foreign.js";
import { startLiveKit } from "./lib/livekit.js";
import { playPeer } from "./lib/peer.js";
import { needsRelay, startRelay } from "./lib/relay.js";

const CLIENT = join(dirname(createRequire(import.meta.url).resolve("livekit-client")), "livekit-client.umd.js");
// Firefox takes no TURN server on loopback, ours or any other, unless it is told to.
const LOOPBACK = { firefox: { prefs: { "media.peerconnection.ice.loopback": true } } };
const options = { engines: ["chromium", "firefox"], args: LOOPBACK, needs: () => needsRelay() ?? needsCoturn() };

/** A page, a relay that trusts coturn's root, and coturn. */
async function house(page, t) {
  const site = await startForeign();
  t.after(() => site.stop());
  const turn = await startCoturn();
  t.after(() => turn.stop());
  const relay = startRelay({ roots: turn.root });
  t.after(() => relay.stop());
  site.file("/client.js", CLIENT, "text/javascript");
  site.page("/", "<!doctype html><title>call</title><script src=client.js></script>");
  await page.goto(`${site.origin}/`);
  return { site, turn, relay };
}

/** A server that says `messages` to whoever connects. */
async function saying(t, messages) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on("connection", (socket) => messages.forEach((message) => socket.send(message)));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}`;
}

/** Runs in the page: the first messages of a socket, as base64. */
function hear(url, count) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const heard = [];
    socket.onerror = () => reject(new Error("the socket broke"));
    socket.onmessage = ({ data }) => {
      heard.push(btoa(String.fromCharCode(...new Uint8Array(data))));
      if (heard.length === count) resolve({ heard, extensions: socket.extensions });
    };
    // Kept open: the grant's tunnels do not need it, but a page has one.
    window.kept = socket;
  });
}

/** Runs in the page: two peers that may use nothing but TURN; what one says, the other hears. */
async function pair(iceServers) {
  const configuration = { iceServers, iceTransportPolicy: "relay" };
  const [one, two] = [new RTCPeerConnection(configuration), new RTCPeerConnection(configuration)];
  const candidates = [];
  const errors = [];
  for (const [from, to] of [[one, two], [two, one]]) {
    from.onicecandidate = ({ candidate }) => {
      // Firefox says with an empty one that there are no more.
      if (!candidate?.candidate) return;
      candidates.push(candidate.candidate);
      to.addIceCandidate(candidate);
    };
    from.onicecandidateerror = ({ errorCode, url }) => errors.push({ errorCode, url });
  }
  const heard = new Promise((resolve) => {
    two.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => channel.send(`heard ${data}`) ?? resolve();
    };
  });
  const channel = one.createDataChannel("words");
  const back = new Promise((resolve) => {
    channel.onmessage = ({ data }) => resolve(data);
  });
  channel.onopen = () => channel.send("hello");
  await one.setLocalDescription(await one.createOffer());
  await two.setRemoteDescription(one.localDescription);
  await two.setLocalDescription(await two.createAnswer());
  await one.setRemoteDescription(two.localDescription);
  const late = new Promise((resolve) => setTimeout(resolve, 60_000, "nothing"));
  const said = await Promise.race([heard.then(() => back), late]);
  const states = [one.connectionState, two.connectionState];
  one.close();
  two.close();
  return { said, states, candidates, errors };
}

/** The message with a field that no published protocol has, inside and outside. */
const odd = (message) => Buffer.concat([Buffer.from([0xba, 0x3e, 3, 1, 2, 3]), message, Buffer.from([0xd8, 0x3e, 0x81, 0x80, 0x00])]);

inEngines(
  "r26_a_relay_only_pair_connects_through_the_tunnel_over_tcp_and_over_tls",
  async ({ page, t }) => {
    const { site, turn, relay } = await house(page, t);
    for (const url of [`turn:127.0.0.1:${turn.tcp}?transport=tcp`, `turns:localhost:${turn.tls}?transport=tcp`]) {
      const server = (urls) => [new lk.ICEServer({ urls, ...turn.credentials(2_000_000_000) })];
      const messages = (urls) => [
        new lk.SignalResponse({ message: { case: "join", value: new lk.JoinResponse({ iceServers: server(urls), serverVersion: "1.13.5", pingInterval: 5 }) } }),
        new lk.SignalResponse({ message: { case: "reconnect", value: new lk.ReconnectResponse({ iceServers: server(urls), lastMessageSeq: 7 }) } }),
      ].map((message) => odd(Buffer.from(message.toBinary())));
      const grant = await relay.grantTurn(site.origin, await saying(t, messages([url, "stun:127.0.0.1:9", `turn:127.0.0.1:${turn.tcp}?transport=udp`])));
      const { heard, extensions } = await page.evaluate(hear, `${grant.url}/rtc/v1?access_token=t`, 2);
      assert.equal(extensions, "");
      const [join, reconnect] = heard.map((text) => Buffer.from(text, "base64"));
      const { iceServers } = lk.SignalResponse.fromBinary(join).message.value;
      assert.equal(iceServers.length, 1);
      assert.match(iceServers[0].urls[0], /^turn:127\.0\.0\.1:\d+\?transport=tcp$/);
      // Every other byte is as it was, those of unknown fields too.
      assert.deepEqual([join, reconnect], messages(iceServers[0].urls));

      const { urls, username, credential } = iceServers[0];
      const { said, states, candidates, errors } = await page.evaluate(pair, [{ urls, username, credential }]);
      assert.equal(said, "heard hello", JSON.stringify({ errors, candidates, states, log: turn.log().slice(-2_000) }));
      assert.deepEqual(states, ["connected", "connected"]);
      assert.ok(candidates.length > 0 && candidates.every((candidate) => candidate.includes(" typ relay ")), candidates.join("\n"));
      await relay.revoke(grant.id);
      // With the grant the port is gone.
      const after = await page.evaluate(gather, [{ urls, username, credential }]);
      assert.deepEqual(after, []);
    }
  },
  options,
);

/** Runs in the page: the candidates that these servers give. */
async function gather(iceServers) {
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  const candidates = [];
  const done = new Promise((resolve) => {
    peer.onicecandidate = ({ candidate }) => (candidate?.candidate ? candidates.push(candidate.candidate) : resolve());
  });
  peer.createDataChannel("x");
  await peer.setLocalDescription(await peer.createOffer());
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 30_000))]);
  peer.close();
  return candidates;
}

inEngines(
  "r26_livekit_client_joins_with_nothing_but_turn",
  async ({ page, t }) => {
    const { site, turn, relay } = await house(page, t);
    const urls = [`turns:localhost:${turn.tls}?transport=tcp`];
    const livekit = await startLiveKit({ iceServers: [{ urls, ...turn.credentials() }] });
    t.after(() => livekit.stop());
    // The server's half reaches coturn itself: an address that is hidden behind a name (mDNS) gets no permission.
    const direct = { urls: [`turn:127.0.0.1:${turn.tcp}?transport=tcp`], ...turn.credentials() };
    await page.evaluate(playPeer, livekit.url, { iceServers: [direct], iceTransportPolicy: "relay" });
    const { url } = await relay.grantTurn(site.origin, livekit.url);
    const outcome = await page.evaluate(
      async (url, token) => {
        const room = new window.LivekitClient.Room();
        try {
          await room.connect(url, token, { peerConnectionTimeout: 60_000, rtcConfig: { iceTransportPolicy: "relay" } });
        } catch (cause) {
          return { failed: cause.message };
        }
        const transport = room.engine.pcManager.publisher.pc ?? room.engine.pcManager.publisher._pc;
        const kinds = [];
        for (const stat of (await transport.getStats()).values()) if (stat.type === "local-candidate") kinds.push(stat.candidateType);
        return { state: room.state, kinds: [...new Set(kinds)] };
      },
      url,
      livekit.token("ann"),
    );
    assert.deepEqual(outcome, { state: "connected", kinds: ["relay"] }, turn.log().slice(-2_000));
  },
  options,
);
