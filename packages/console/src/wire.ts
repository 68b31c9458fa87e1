// The JSON the control listener speaks. Names are the daemon's; nothing here is computed.

export interface Session {
  id: string;
  createdAt: string;
  idleExpiresAt: string;
  expiresAt: string;
  tabs: number;
}

export interface Claimed {
  proof: string;
  csrf: string;
  session: Session;
  content: string;
}

export interface State {
  instance: string;
  version: string;
  startedAt: string;
  control: string;
  content: string;
  /** Other ports of the content listener; none from an older daemon. */
  lanes?: string[];
  companion: string | null;
  session: Session;
  grants: number;
  streams: number;
  bytesServed: number;
}

export interface Source {
  id: string;
  name: string;
  kind: "folder" | "s3" | "http" | "gcs" | "azure";
  location: string;
  state: "ready" | "failed";
  message: string | null;
}

export type View =
  | "image"
  | "video"
  | "audio"
  | "pdf"
  | "text"
  | "markdown"
  | "active"
  | "archive"
  | "other"
  | "folder";

export interface Entry {
  name: string;
  key: string;
  kind: "folder" | "file";
  size: number | null;
  modifiedAt: string | null;
  contentType: string | null;
  view: View;
  url: string | null;
  grantId: string | null;
  /** The grant it had before, set by the console when that ended. */
  lostId?: string;
}

export interface Listing {
  prefix: string;
  entries: Entry[];
  next: string | null;
}

export type Disposition = "inline" | "download" | "isolated" | "framed";

export interface Minted {
  source: string;
  url: string;
  id: string;
  expiresAt: string;
}

export interface Grant {
  id: string;
  source: string;
  name: string;
  contentType: string | null;
  createdAt: string;
  expiresAt: string;
  streams: number;
  bytes: number;
  requests: number;
  lastUsedAt: string | null;
}

/** The newest that were used; the rest is on further pages. */
export interface GrantsPage {
  grants: Grant[];
  /** On all pages. */
  total: number;
  next: string | null;
}

export interface Relay {
  id: string;
  /** What the configuration calls it. */
  name: string | null;
  upstream: string;
  createdAt: string;
  expiresAt: string;
  connections: number;
  turnConnections: number;
  requests: number;
  bytesUp: number;
  bytesDown: number;
  framesUp: number;
  framesDown: number;
  rttPageMs: number | null;
  rttUpstreamMs: number | null;
  lastEnd: string | null;
  lastUsedAt: string | null;
}

export interface Scope {
  folder: string;
  rights: string[];
}

/** A page that asks to be paired. */
export interface Pending {
  number: number;
  origin: string;
  label: string;
  scopes: Scope[];
  /** The person types the code that the page shows. */
  typed: boolean;
  confirmed: boolean;
  expiresAt: string;
}

export interface Paired {
  keyId: string;
  origin: string;
  label: string;
  scopes: Scope[];
  createdAt: string;
  lastUsedAt: string | null;
}

export type PairingMode = "ask" | "window" | "off";

export interface Companion {
  pairing: PairingMode;
  /** Where the person is asked. */
  approve: string;
  pending: Pending | null;
  pairings: Paired[];
  vault: { state: string; message: string };
}

export interface RelayMinted {
  url: string;
  id: string;
  expiresAt: string;
}

export interface Policy {
  peer: string;
  origin: string;
  fetchMetadata: string;
  cors: string;
  csrf: boolean;
  content: string;
  bodyLimit: number;
  rate: string | null;
  inFlight: number | null;
  seal: string;
}

export interface Refused {
  denial: string;
  count: number;
}

export interface Surface {
  name: string;
  prefix: string;
  caller: string;
  policy: Policy;
  words: string[];
  routes: { method: string; path: string }[];
  refused: Refused[];
}

export interface Listener {
  name: string;
  origin: string;
  /** Other ports with the same surfaces. */
  lanes?: string[];
  surfaces: Surface[];
}

export interface AuditEvent {
  seq: number;
  time: string;
  kind: string;
  surface: string | null;
  outcome: "allowed" | "refused";
  denial: string | null;
  subject: string | null;
  count: number;
  detail: string | null;
  hash: string;
}

export interface AuditPage {
  events: AuditEvent[];
  chain: { verified: boolean; at: string };
}
