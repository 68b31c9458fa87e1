import type { JSX } from "preact";
import type { Denied } from "../denial";
import { Keyhole } from "../ui/icons";

/** What stands in place of the house for whoever has no session: one sentence. */
export function Outside({ cause }: { cause: Denied | null }): JSX.Element {
  return (
    <main class="outside">
      <span class="mark">
        <Keyhole />
      </span>
      <h1>doorward</h1>
      <p data-testid="session-needed">
        Run <code>doorward open</code> to open this console with a new launch ticket.
      </p>
      {cause ? (
        <p class="muted" role="status">
          {cause.message.replace(/\.+$/, "")} ({cause.denial}).
        </p>
      ) : null}
    </main>
  );
}
