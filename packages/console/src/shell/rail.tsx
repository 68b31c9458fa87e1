// The rail: rooms, then the house. A room appears here when its panel exists; there are no stubs.

import type { JSX } from "preact";
import { companion } from "../companion/store";
import { span } from "../format";
import { link, live, recent, signOut, state } from "../house";
import { operator } from "../operator/store";
import { open } from "../relay/store";
import { formatRoute, mediaRoute, type PanelName, type Route, route } from "../router";
import { nextTheme, theme } from "../theme";
import { Arrows, Desk, DoorIcon, Halves, Keyhole, Link, Page, Play } from "../ui/icons";
import { now } from "../ui/now";

interface Room {
  panel: PanelName;
  label: string;
  icon: () => JSX.Element;
  to: () => Route;
  count?: () => { n: number; of: string };
}

const ROOMS: readonly { title: string; rooms: readonly Room[] }[] = [
  {
    title: "Rooms",
    rooms: [
      {
        panel: "media",
        label: "Media",
        icon: Play,
        to: () => mediaRoute(null),
        count: () => ({ n: live.value.size, of: "live URLs" }),
      },
      {
        panel: "companion",
        label: "Companion",
        icon: Link,
        to: () => ({ panel: "companion" }),
        count: () => ({ n: companion.value?.pending ? 1 : 0, of: "page asks to be paired" }),
      },
      {
        panel: "relay",
        label: "Relay",
        icon: Arrows,
        to: () => ({ panel: "relay" }),
        count: () => ({ n: open.value?.size ?? 0, of: "open upstreams" }),
      },
      {
        panel: "operator",
        label: "Operator",
        icon: Desk,
        to: () => ({ panel: "operator" }),
        count: () => ({ n: operator.value?.session ? 1 : 0, of: "session on a gateway" }),
      },
    ],
  },
  {
    title: "The house",
    rooms: [
      { panel: "doors", label: "Doors", icon: DoorIcon, to: () => ({ panel: "doors", surface: null }) },
      {
        panel: "audit",
        label: "Audit",
        icon: Page,
        to: () => ({ panel: "audit", kind: "", surface: "" }),
        count: () => ({ n: refusedLately(), of: "refused lately" }),
      },
    ],
  },
];

const refusedLately = (): number =>
  recent.value.reduce((sum, event) => sum + (event.outcome === "refused" ? event.count : 0), 0);

export function Rail(): JSX.Element {
  const here = route.value.panel;
  return (
    <>
      <header class="brand">
        <Keyhole />
        doorward
        <span class="grow" />
        <button
          type="button"
          class="icon"
          onClick={nextTheme}
          aria-label={`Theme: ${theme.value}. Change`}
          title={`Theme: ${theme.value}`}
          data-testid="theme"
        >
          <Halves />
        </button>
      </header>
      <nav class="nav" aria-label="Rooms">
        {ROOMS.map(({ title, rooms }) => (
          <div class="group" key={title}>
            <h2>{title}</h2>
            {rooms.map((room) => (
              <RoomLink key={room.panel} room={room} here={room.panel === here} />
            ))}
          </div>
        ))}
        <Foot />
      </nav>
    </>
  );
}

function RoomLink({ room, here }: { room: Room; here: boolean }): JSX.Element {
  const count = room.count?.();
  const Icon = room.icon;
  return (
    <a
      href={formatRoute(room.to())}
      aria-current={here ? "page" : undefined}
      data-testid={`rail-${room.panel}`}
    >
      <Icon />
      {room.label}
      {count && count.n > 0 ? (
        <span class="n">
          {count.n}
          <span class="hear"> {count.of}</span>
        </span>
      ) : null}
    </a>
  );
}

function Foot(): JSX.Element {
  const session = state.value?.session;
  const ends = session
    ? Math.min(Date.parse(session.expiresAt), Date.parse(session.idleExpiresAt)) - now.value
    : null;
  const version = state.value?.version;
  return (
    <div class="foot">
      <p>
        127.0.0.1 only{version ? ` · ${version}` : ""}
        <br />
        {link.value.state === "over" || ends === null ? "session" : `session ends in ${span(ends)}`}
      </p>
      <button type="button" class="link" onClick={() => void signOut()} data-testid="sign-out">
        Sign out
      </button>
    </div>
  );
}
