// Video and sound with the browser's own controls. Leaving takes the source away, so that the stream ends at once.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { playing } from "../media/keys";
import { Note } from "../ui/icons";
import type { ViewProps } from "./stage";
import { Failed } from "./why";

export function VideoView(props: ViewProps): JSX.Element {
  const { ref, bad } = usePlayer<HTMLVideoElement>(props);
  if (bad) return <Failed {...props} otherwise="The browser cannot play this format" />;
  return (
    <div class="screen">
      {/* biome-ignore lint/a11y/useMediaCaption: the file is the person's own; there are no captions to offer */}
      <video
        ref={ref}
        src={props.url}
        controls
        playsInline
        preload="metadata"
        aria-label={props.entry.name}
      />
    </div>
  );
}

export function AudioView(props: ViewProps): JSX.Element {
  const { ref, bad } = usePlayer<HTMLAudioElement>(props);
  if (bad) return <Failed {...props} otherwise="The browser cannot play this format" />;
  return (
    <div class="plain">
      <span class="mark">
        <Note />
      </span>
      {/* biome-ignore lint/a11y/useMediaCaption: the file is the person's own; there are no captions to offer */}
      <audio ref={ref} src={props.url} controls preload="metadata" aria-label={props.entry.name} />
    </div>
  );
}

function usePlayer<T extends HTMLMediaElement>({
  entry,
}: ViewProps): { ref: { current: T | null }; bad: boolean } {
  const ref = useRef<T>(null);
  const [bad, setBad] = useState(false);
  useEffect(() => {
    const player = ref.current;
    if (!player) return;
    const failed = (): void => {
      if (player.getAttribute("src")) setBad(true);
    };
    player.addEventListener("error", failed);
    if (playing.key === entry.key) {
      playing.key = null;
      // A browser that wants a click first leaves the controls to the person.
      player.play().catch(() => {});
    }
    return () => {
      player.removeEventListener("error", failed);
      player.pause();
      player.removeAttribute("src");
      player.load();
    };
  }, []);
  return { ref, bad };
}
