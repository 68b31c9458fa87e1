import { AuditPanel } from "./audit/panel";
import { CompanionPanel } from "./companion/panel";
import { DoorsPanel } from "./doors/panel";
import { entrance } from "./house";
import { MediaPanel } from "./media/panel";
import { OperatorPanel } from "./operator/panel";
import { RelayPanel } from "./relay/panel";
import { type PanelName, route } from "./router";
import { Outside } from "./shell/outside";
import { Rail } from "./shell/rail";
import { Top } from "./shell/top";
import { Toast } from "./ui/toast";

const PANELS: Record<PanelName, () => preact.JSX.Element> = {
  media: MediaPanel,
  companion: CompanionPanel,
  relay: RelayPanel,
  operator: OperatorPanel,
  doors: DoorsPanel,
  audit: AuditPanel,
};

export function App(): preact.JSX.Element {
  const where = entrance.value;
  if (where.at === "outside") return <Outside cause={where.cause} />;
  if (where.at === "opening") return <div class="opening" role="status" aria-label="Opening the session" />;
  const Panel = PANELS[route.value.panel];
  return (
    <div class="frame">
      <button type="button" class="skip btn" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the panel
      </button>
      <Rail />
      <Top />
      <main id="main" tabIndex={-1}>
        <Panel />
      </main>
      <Toast />
    </div>
  );
}
