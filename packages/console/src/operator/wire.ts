// What the daemon says of gateways. Written by `cargo xtask generate`.

/**
 * All that the panel shows at first.
 */
export type StateVm = {
  /**
   * Whose the gateway is.
   */
  owner: OwnerVm;
  /**
   * The gateway that is chosen; none is configured, if there is none.
   */
  gateway: GatewayVm | null;
  /**
   * Those that may be chosen.
   */
  gateways: Array<ChoiceVm>;
  /**
   * The session on the gateway, if it is this browser session's.
   */
  session: SessionVm | null;
  /**
   * What the gateway waits to be told, if it is this browser session's.
   */
  step: StepVm | null;
  /**
   * What the session may use.
   */
  caps: Array<CapVm>;
};

/**
 * Whose the gateway is.
 */
export type OwnerVm = {
  /**
   * To this browser session.
   */
  state: OwnerState;
  /**
   * RFC 3339: since when, if it is not free. Nothing else is told of others.
   */
  since: string | null;
};

/**
 * Whose the gateway is, to the browser session that asks.
 */
export type OwnerState = "free" | "trying" | "mine" | "inUse";

/**
 * A gateway.
 */
export type GatewayVm = {
  /**
   * What it is called here.
   */
  name: string;
  /**
   * `capnp`, `ssh`, `postgres`.
   */
  kind: string;
  /**
   * Ways to sign in.
   */
  methods: Array<AuthMethodVm>;
};

/**
 * A gateway that may be chosen.
 */
export type ChoiceVm = {
  /**
   * What it is called here.
   */
  name: string;
  /**
   * `capnp`, `ssh`, `postgres`.
   */
  kind: string;
};

/**
 * A way to sign in.
 */
export type AuthMethodVm = {
  /**
   * Which.
   */
  kind: AuthKind;
  /**
   * For people.
   */
  label: string;
  /**
   * Profiles that may be asked for; any, if there are none.
   */
  profiles: Array<string>;
  /**
   * Whether it may come in several steps.
   */
  interactive: boolean;
  /**
   * Whether it is offered.
   */
  enabled: boolean;
};

/**
 * Ways to sign in that the room knows.
 */
export type AuthKind = "password" | "anonymous" | "guest" | "publicKey";

/**
 * A session on a gateway.
 */
export type SessionVm = {
  /**
   * Which rights it has, by name.
   */
  profile: string;
  /**
   * Who it is, for people.
   */
  principalLabel: string;
  /**
   * How well that was proven.
   */
  authStrength: AuthStrength;
  /**
   * RFC 3339: it ends then, unless it is renewed.
   */
  expiresAt: string | null;
  /**
   * What the gateway waits to be told before it gives more time.
   */
  renewal: StepVm | null;
};

/**
 * How well it was proven who signed in.
 */
export type AuthStrength = "none" | "localPresence" | "password" | "publicKey" | "hardwareKey";

/**
 * What the gateway waits to be told.
 */
export type StepVm = {
  /**
   * For people.
   */
  prompt: string;
  /**
   * Whether the answer is not to be shown while it is typed.
   */
  secret: boolean;
  /**
   * What has to be signed, in base64, where it is a challenge.
   */
  challenge: string | null;
};

/**
 * Something that the session may use.
 */
export type CapVm = {
  /**
   * Names it in calls. Random in each session.
   */
  ref: string;
  /**
   * What the gateway calls it.
   */
  name: string;
  /**
   * What it is, for people.
   */
  contractLabel: string;
  /**
   * What can be done with it.
   */
  operations: Array<OperationVm>;
  /**
   * RFC 3339: it is lent until then.
   */
  leaseExpiresAt: string | null;
};

/**
 * Something that can be done.
 */
export type OperationVm = {
  /**
   * Names it in calls.
   */
  name: string;
  /**
   * For people.
   */
  label: string;
  /**
   * What it does over there.
   */
  effect: Effect;
  /**
   * What it takes.
   */
  fields: Array<FieldVm>;
};

/**
 * What an operation does over there.
 */
export type Effect = "read" | "write" | "destructive";

/**
 * An argument.
 */
export type FieldVm = {
  /**
   * Names it in calls.
   */
  name: string;
  /**
   * For people.
   */
  label: string;
  /**
   * What it takes.
   */
  kind: FieldKindVm;
  /**
   * Whether it has to be there.
   */
  required: boolean;
  /**
   * The least number.
   */
  least: number | null;
  /**
   * The most: bytes of a text, or the number itself.
   */
  most: number | null;
  /**
   * What can be chosen.
   */
  choices: Array<string>;
};

/**
 * What a field takes.
 */
export type FieldKindVm = "line" | "text" | "secret" | "number" | "flag" | "choice";

/**
 * What an operation gave. Of the last four, what `shape` says.
 */
export type CallResultVm = {
  /**
   * Finds the call in the audit.
   */
  requestId: string;
  /**
   * Which of the following it is.
   */
  shape: Shape;
  /**
   * Text, with line breaks.
   */
  text: string | null;
  /**
   * Names and values.
   */
  fields: Array<PairVm>;
  /**
   * Heads of a table.
   */
  columns: Array<string>;
  /**
   * Rows of a table. A cell without a value is `null`.
   */
  rows: Array<Array<string | null>>;
  /**
   * Whether something was left out.
   */
  truncated: boolean;
};

/**
 * The shape of what an operation gave.
 */
export type Shape = "nothing" | "text" | "fields" | "table";

/**
 * A name and a value.
 */
export type PairVm = {
  /**
   * The name.
   */
  name: string;
  /**
   * The value.
   */
  value: string;
};

/**
 * The body of every refusal, as the guard writes it.
 */
export type DenialVm = {
  /**
   * Its stable name.
   */
  denial: string;
  /**
   * What happened, for people.
   */
  message: string;
  /**
   * Finds it in the audit.
   */
  requestId: string;
  /**
   * It may be tried again after this.
   */
  retryAfterMs?: number;
  /**
   * RFC 3339: since when something that stands in the way has stood there.
   */
  since?: string;
};

/**
 * What signing in came to: the state as it is now, and what to send from now
 * on.
 */
export type LoginVm = {
  /**
   * The state.
   */
  state: StateVm;
  /**
   * The tab's new CSRF token, if there is a session now: the one before it
   * is void, as is the cookie before this answer's.
   */
  csrf: string | null;
};

/**
 * Something that happened.
 */
export type TranscriptRowVm = {
  /**
   * Counts up.
   */
  seq: number;
  /**
   * RFC 3339.
   */
  at: string;
  /**
   * What it is about.
   */
  kind: TranscriptKind;
  /**
   * In a line.
   */
  summary: string;
  /**
   * `ok`, or the name of a denial.
   */
  outcome: string;
};

/**
 * What a row is about.
 */
export type TranscriptKind = "login" | "end" | "call" | "launch" | "renewal" | "choice";

/**
 * Something that happened, as the audit has it.
 */
export type AuditRowVm = {
  /**
   * RFC 3339.
   */
  at: string;
  /**
   * Such as `gateway.called`.
   */
  kind: string;
  /**
   * The name of a denial, if it was refused.
   */
  denial: string | null;
  /**
   * In a line.
   */
  detail: string;
};

/**
 * A service of the gateway.
 */
export type ServiceVm = {
  /**
   * For people.
   */
  label: string;
  /**
   * For people.
   */
  summary: string;
  /**
   * Whether it runs, in a word.
   */
  status: string;
  /**
   * The capability that it is, if the session has it.
   */
  ref: string | null;
};

/**
 * Something that can be launched.
 */
export type LauncherVm = {
  /**
   * Names it in launches.
   */
  profile: string;
  /**
   * For people.
   */
  label: string;
  /**
   * For people.
   */
  summary: string;
  /**
   * Whether it can be launched at all.
   */
  supported: boolean;
  /**
   * Whether it runs, in a word.
   */
  status: string;
  /**
   * What it can be given.
   */
  grants: Array<LaunchGrantVm>;
};

/**
 * What something that is launched can be given.
 */
export type LaunchGrantVm = {
  /**
   * Names it in launches.
   */
  name: string;
  /**
   * For people.
   */
  label: string;
  /**
   * Whether it does not run without.
   */
  required: boolean;
};

/**
 * What became of a launch, or would.
 */
export type LaunchVm = {
  /**
   * Finds it in the audit.
   */
  requestId: string;
  /**
   * The profile.
   */
  profile: string;
  /**
   * In a word.
   */
  status: string;
  /**
   * Whether it can be launched.
   */
  supported: boolean;
  /**
   * For people.
   */
  message: string;
  /**
   * The grants that it gets.
   */
  grants: Array<string>;
};

/**
 * How the gateway is.
 */
export type HealthVm = {
  /**
   * In a word.
   */
  state: HealthState;
  /**
   * What its answer took.
   */
  latencyMs: number | null;
};

/**
 * How a gateway is.
 */
export type HealthState = "idle" | "up" | "degraded" | "down";

/**
 * What an automation said of its run.
 */
export type ReportVm = {
  /**
   * How it goes.
   */
  status: ReportStatus;
  /**
   * In a sentence.
   */
  summary: string;
  /**
   * RFC 3339.
   */
  at: string;
};

/**
 * How a run goes.
 */
export type ReportStatus = "running" | "passed" | "failed";
