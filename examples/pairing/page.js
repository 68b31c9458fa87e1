// A page that asks to be introduced to this computer, and then makes signed requests.
// `?ports=40123` looks there instead of at 7319 to 7323.

import { connect } from "/doorward/index.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  unavailable: "doorward does not answer. Start it with: doorward serve --companion",
  "permission-needed": "Your browser asks before a page reaches this computer. Look again, and allow it.",
  unpaired: "doorward is here, and does not know this page.",
  pending: "Compare, on both sides.",
  paired: "This page is paired with this computer.",
  "repair-required": "Your browser lost this page's key. Introduce the page again.",
  "clock-skew": "The clocks of page and computer differ.",
  revoked: "This computer forgot this page. Introduce it again.",
  "version-mismatch": "doorward and this page speak different versions.",
};
const WHY = {
  pairingGone: "The request is over: denied, or out of time.",
  pairingBusy: "Another page is being asked about. Try again in a moment.",
  gestureNeeded: "Pages asked too often. Run: doorward pair allow",
  pairingOff: "This computer takes no new pages.",
  pairingNotNow: "Run: doorward pair allow",
  approvalUnavailable: "doorward has nowhere to ask you. Run it in a terminal, or with a desktop.",
  pairingNotKept: "The keyring did not keep the pairing. doorward pair list says why.",
  cancelled: "You ended the request.",
};

const ports = new URLSearchParams(location.search).get("ports")?.split(",").map(Number);
const door = await connect(ports ? { ports } : {});
let waiting = null;
let told = "";

door.state.subscribe((state) => {
  $("words").textContent = told || WORDS[state];
  $("asks").hidden = !["unpaired", "repair-required", "revoked"].includes(state);
  $("compare").hidden = state !== "pending";
  $("paired").hidden = state !== "paired";
  $("again").hidden = !["unavailable", "permission-needed", "clock-skew"].includes(state);
  told = "";
  if (state === "paired") void about();
});

$("retry").onclick = () => door.retry();

$("pair").onclick = async () => {
  try {
    waiting = await door.pair({ label: "Notes", scopes: [{ folder: "Notes", rights: ["read"] }] });
    $("code").value = waiting.code;
    $("left").textContent = `Until ${waiting.expiresAt.toLocaleTimeString()}.`;
    $("same").disabled = false;
    waiting.done.catch(explain);
  } catch (cause) {
    explain(cause);
  }
};

$("same").onclick = async () => {
  $("same").disabled = true;
  await waiting.confirm().catch(explain);
  $("left").textContent = "Now approve it on this computer.";
};
$("other").onclick = () => waiting.cancel();

$("call").onclick = async () => {
  const answer = $("answer");
  answer.hidden = false;
  answer.textContent = JSON.stringify(await door.call("/pairing").catch((cause) => ({ refused: cause.code })), null, 2);
};
$("forget").onclick = () => door.forget().catch(explain);

/** What the computer says of this page. */
async function about() {
  const { origin, scopes, createdAt } = await door.call("/pairing");
  $("origin").textContent = origin;
  $("scopes").textContent = scopes.map(({ folder, rights }) => `${folder} (${rights.join(", ")})`).join(", ") || "no folders";
  $("since").textContent = new Date(createdAt).toLocaleString();
}

function explain({ code, message }) {
  told = WHY[code] ?? message;
  $("words").textContent = told;
}

// A pairing that is ended there is over here at once.
door.state.subscribe((state) => {
  if (state === "paired") door.listen(() => {});
});
