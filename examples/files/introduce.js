// How page and computer stand, as long as they do not stand well: what to do, and the digits to compare.

import { $ } from "./dom.js";
import { explain, STATES } from "./words.js";

const WANTED = "doorward.files.wanted";
const RIGHTS = { read: ["read"], write: ["read", "write"], delete: ["read", "write", "delete"] };

/** Shows it in `#outside`; `?folders=Pictures,Notes` proposes names. */
export function introduce(door) {
  let waiting = null;
  let told = "";
  const asked = new URLSearchParams(location.search).get("folders");
  $("want").value = asked ?? localStorage.getItem(WANTED) ?? "";

  const show = (state) => {
    const [words, hint] = STATES[state];
    $("state").textContent = told || words;
    $("hint").textContent = hint;
    $("hint").hidden = !hint;
    $("outside").hidden = state === "paired";
    $("ask").hidden = !["unpaired", "repair-required", "revoked"].includes(state);
    $("compare").hidden = state !== "pending";
    $("retry").hidden = !["unavailable", "permission-needed", "clock-skew", "version-mismatch"].includes(state);
    told = "";
  };
  const explained = (cause) => {
    told = explain(cause);
    $("state").textContent = told;
  };
  door.state.subscribe(show);

  $("retry").onclick = () => door.retry();
  $("ask").onsubmit = async (event) => {
    event.preventDefault();
    const names = $("want").value.split(",").map((name) => name.trim()).filter(Boolean);
    const rights = RIGHTS[new FormData($("ask")).get("may")];
    localStorage.setItem(WANTED, names.join(", "));
    try {
      waiting = await door.pair({ label: "Files", scopes: [...new Set(names)].map((folder) => ({ folder, rights })) });
      $("code").value = waiting.code;
      const until = `Until ${waiting.expiresAt.toLocaleTimeString()}.`;
      $("left").textContent = waiting.typed ? `Type them in the window of this computer, or after: doorward pair approve. ${until}` : until;
      $("same").disabled = false;
      $("same").focus();
      waiting.done.catch(explained);
    } catch (cause) {
      explained(cause);
    }
  };
  $("same").onclick = async () => {
    $("same").disabled = true;
    await waiting.confirm().catch(explained);
    $("left").textContent = "Now approve it on this computer.";
  };
  $("other").onclick = () => waiting.cancel();
}
