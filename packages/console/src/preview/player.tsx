// Video and sound with the browser's own controls. While it plays, its URL is renewed in time; when it fails, it tries
// again at the same place, a few times and no more. Leaving takes the source away, so that the stream ends at once.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { live } from "../house";
import { renewQuietly } from "../media/acts";
import { playing } from "../media/keys";
import { Note } from "../ui/icons";
import { isFinal, RECOVERED_MS, renewIn, TRIES, waitAfter } from "./patience";
import type { ViewProps } from "./stage";
import { Failed, refusalOf } from "./why";

/** Where a file was when its URL ended: a new URL goes on there. */
const left = { key: "", time: 0, playing: false };

export function VideoView(props: ViewProps): JSX.Element {
  const { ref, state } = usePlayer<HTMLVideoElement>(props);
  if (state === "failed") return <Failed {...props} otherwise="The browser cannot play this format" />;
  return (
    <>
      <div class="screen">
        {/* biome-ignore lint/a11y/useMediaCaption: the file is the person's own; there are no captions to offer */}
        <video
          ref={ref}
          crossOrigin="anonymous"
          src={props.url}
          controls
          playsInline
          preload="metadata"
          aria-label={props.entry.name}
        />
      </div>
      <Again state={state} />
    </>
  );
}

export function AudioView(props: ViewProps): JSX.Element {
  const { ref, state } = usePlayer<HTMLAudioElement>(props);
  if (state === "failed") return <Failed {...props} otherwise="The browser cannot play this format" />;
  return (
    <>
      <div class="plain">
        <span class="mark">
          <Note />
        </span>
        {/* biome-ignore lint/a11y/useMediaCaption: the file is the person's own; there are no captions to offer */}
        <audio
          ref={ref}
          crossOrigin="anonymous"
          src={props.url}
          controls
          preload="metadata"
          aria-label={props.entry.name}
        />
      </div>
      <Again state={state} />
    </>
  );
}

/** How often it has failed in a row; 0 while all is well. */
type State = number | "failed";

function Again({ state }: { state: State }): JSX.Element {
  return (
    <p class={state === 0 ? "hear" : "caption"} role="status" data-testid="retrying">
      {state === 0 ? "" : `The stream broke off. Trying again, ${state} of ${TRIES} …`}
    </p>
  );
}

function usePlayer<T extends HTMLMediaElement>({
  entry,
  url,
}: ViewProps): {
  ref: { current: T | null };
  state: State;
} {
  const ref = useRef<T>(null);
  const [state, setState] = useState<State>(0);
  useRenewal(ref, entry.grantId);
  useEffect(() => {
    const player = ref.current;
    if (!player) return;
    const stop = new AbortController();
    const { signal } = stop;
    let failures = 0;
    let at = { time: 0, playing: false };
    let recovering: ReturnType<typeof setTimeout> | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const on = (event: string, then: () => void): void => player.addEventListener(event, then, { signal });

    const goOn = (from: { time: number; playing: boolean }): void => {
      const seek = (): void => {
        if (from.time > 0) player.currentTime = from.time;
      };
      if (player.readyState >= 1) seek();
      else player.addEventListener("loadedmetadata", seek, { once: true, signal });
      // A browser that wants a click first leaves the controls to the person.
      if (from.playing) player.play().catch(() => {});
    };
    const failed = async (): Promise<void> => {
      if (!player.getAttribute("src")) return;
      clearTimeout(recovering);
      failures += 1;
      const wait = waitAfter(failures);
      // What was never played and cannot be decoded will not be on a second try.
      const hopeless =
        player.error?.code === MediaError.MEDIA_ERR_DECODE ||
        (player.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && failures === 1 && at.time === 0);
      const denial = hopeless ? null : await refusalOf(url);
      if (signal.aborted) return;
      if (wait === null || hopeless || (denial !== null && isFinal(denial.denial))) {
        setState("failed");
        return;
      }
      setState(failures);
      timer = setTimeout(() => {
        player.load();
        goOn(at);
      }, wait);
    };
    on("error", () => void failed());
    on("timeupdate", () => {
      // While it is loaded again it stands at 0 for a moment.
      if (!player.error && player.readyState >= 2) at = { ...at, time: player.currentTime };
    });
    on("seeking", () => {
      if (!player.error && player.currentTime > 0) at = { ...at, time: player.currentTime };
    });
    on("play", () => {
      at = { ...at, playing: true };
    });
    on("pause", () => {
      // Losing its source pauses a player too; that is not a person's wish.
      if (!player.error) at = { ...at, playing: false };
    });
    on("playing", () => {
      setState(0);
      clearTimeout(recovering);
      recovering = setTimeout(() => {
        failures = 0;
      }, RECOVERED_MS);
    });
    on("loadeddata", () => setState(0));
    if (left.key === entry.key) {
      at = { time: left.time, playing: left.playing };
      goOn(at);
    } else if (playing.key === entry.key) {
      goOn({ time: 0, playing: true });
    }
    playing.key = null;
    left.key = "";
    return () => {
      Object.assign(left, { key: at.time > 0 ? entry.key : "", ...at });
      stop.abort();
      clearTimeout(timer);
      clearTimeout(recovering);
      player.pause();
      player.removeAttribute("src");
      player.load();
    };
  }, []);
  return { ref, state };
}

/** Renews the URL before it ends, while it is played. A refusal ends that; the stream's own end then says why. */
function useRenewal(ref: { current: HTMLMediaElement | null }, id: string | null): void {
  const expiresAt = id ? live.value.get(id)?.expiresAt : undefined;
  const failures = useRef(0);
  const [tick, setTick] = useState(0);
  useEffect(() => {
    if (!id || !expiresAt || failures.current >= TRIES) return;
    const wait = renewIn(expiresAt, Date.now());
    if (wait === null) return;
    const timer = setTimeout(
      async () => {
        // Paused, it may end: playing on asks for a new one.
        if (ref.current && !ref.current.paused) {
          failures.current = (await renewQuietly(id)) ? 0 : failures.current + 1;
        }
        setTick((n) => n + 1);
      },
      // No more often than once a second, and within what timers can hold.
      Math.min(Math.max(1_000, wait), 0x7fffffff),
    );
    return () => clearTimeout(timer);
  }, [id, expiresAt, tick]);
}
