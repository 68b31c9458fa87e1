import type { JSX } from "preact";
import { sources } from "../house";
import { formatRoute, mediaRoute, route, steps } from "../router";

/** Source and folders down to here, each a way back. */
export function Crumbs(): JSX.Element {
  const here = route.value;
  const source = here.panel === "media" ? here.source : null;
  const prefix = here.panel === "media" ? here.prefix : "";
  const known = sources.value?.find((one) => one.id === source);
  const links = source === null ? [] : [{ name: known?.name ?? source, prefix: "" }, ...steps(prefix)];
  return (
    <nav class="crumbs" aria-label="Folder" data-testid="crumbs">
      <h1 class="hear">Media</h1>
      {links.length === 0 ? <b>Media</b> : null}
      {links.map((step, i) => (
        <span class="crumb" key={step.prefix}>
          {i > 0 ? <i aria-hidden="true">/</i> : null}
          {i === links.length - 1 ? (
            <b aria-current="location">{step.name}</b>
          ) : (
            <a href={formatRoute(mediaRoute(source, step.prefix))}>{step.name}</a>
          )}
        </span>
      ))}
    </nav>
  );
}
