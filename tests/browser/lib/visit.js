// One test with everything a person would have: the daemon, a console that is signed in, and a stranger next door.

import { enter, firstSource } from "./console.js";
import { startDaemon } from "./daemon.js";
import { inEngines } from "./engines.js";
import { startForeign } from "./foreign.js";
import { needsDaemon } from "./places.js";
import { needsFfmpeg, samples } from "./samples.js";

/**
 * As `inEngines`, and the body gets `daemon`, `foreign`, and, unless `signIn` is false, `page` is the console and
 * `source` the id of its first source.
 *
 * @param {string} name
 * @param {(context: any) => Promise<void>} body
 * @param {{folder?: (foreign: any, t: any) => Promise<string>, signIn?: boolean, engines?: string[], args?: object}} [options]
 */
export function inConsole(name, body, { folder = samples, signIn = true, needs = needsFfmpeg, ...options } = {}) {
  const all = { ...options, needs: () => needsDaemon() ?? needs() };
  inEngines(
    name,
    async (context) => {
      const { page, t } = context;
      const foreign = await startForeign();
      t.after(() => foreign.stop());
      const daemon = await startDaemon({ sources: [await folder(foreign, t)] });
      t.after(() => daemon.stop());
      if (!signIn) return body({ ...context, daemon, foreign });
      await enter(page, daemon.launchUrl);
      await body({ ...context, daemon, foreign, source: await firstSource(page) });
    },
    all,
  );
}
