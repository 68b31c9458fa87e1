// Runs in a page: the media half of the stand-in server, with the browser's own WebRTC. It answers every offer, and
// sends back what comes over a data channel.

/** `configuration`: what the peer itself connects with. */
export function playPeer(url, configuration) {
  const peers = new Map();
  const socket = new WebSocket(`${url}/peer`);
  let last = Promise.resolve();
  socket.onmessage = ({ data }) => {
    // One after the other: a candidate must not overtake its offer.
    last = last.then(() => heard(JSON.parse(data))).catch((cause) => console.error(`peer: ${cause}`));
  };

  async function heard({ who, sdp, id, candidate }) {
    if (candidate) return peers.get(who)?.addIceCandidate(JSON.parse(candidate));
    let peer = peers.get(who);
    if (!peer) {
      peer = new RTCPeerConnection(configuration);
      peer.ondatachannel = ({ channel }) => {
        channel.onmessage = (message) => channel.send(message.data);
      };
      peers.set(who, peer);
    }
    await peer.setRemoteDescription({ type: "offer", sdp });
    await peer.setLocalDescription(await peer.createAnswer());
    if (peer.iceGatheringState !== "complete") {
      await new Promise((resolve) => {
        peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
        setTimeout(resolve, 2_000);
      });
    }
    socket.send(JSON.stringify({ who, id, sdp: peer.localDescription.sdp }));
  }

  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve(true);
    socket.onerror = () => reject(new Error("the stand-in is not there"));
  });
}
