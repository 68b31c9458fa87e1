import { render } from "preact";
import { App } from "./app";
import { enter, entrance } from "./house";
import { startRouter } from "./router";
import { startTheme } from "./theme";
import "./style/tokens.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/media.css";
import "./style/preview.css";
import "./style/house.css";
import "./style/operator.css";

startTheme();
// The door takes the ticket out of the fragment first; only then may the router read it.
const entering = enter();
startRouter();
// A second ticket pasted into an open page is a navigation within the page: start over with it.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#ticket=") && entrance.value.at !== "opening") location.reload();
});
void entering;
const house = document.getElementById("house");
if (house) render(<App />, house);
