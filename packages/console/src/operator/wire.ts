// What the operator room's API speaks: the view models of crates/doorward-operator/src/vm.rs.

export type OwnerState = "free" | "trying" | "mine" | "inUse";
export type AuthKind = "password" | "anonymous" | "guest" | "publicKey";
export type AuthStrength = "none" | "localPresence" | "password" | "publicKey" | "hardwareKey";
export type Effect = "read" | "write" | "destructive";
export type FieldKindVm = "line" | "text" | "secret" | "number" | "flag" | "choice";
export type Shape = "nothing" | "text" | "fields" | "table";
export type HealthState = "idle" | "up" | "degraded" | "down";
export type Kind = "login" | "end" | "call" | "launch" | "renewal" | "choice";

export type OwnerVm = { state: OwnerState; since: string | null };
export type AuthMethodVm = {
  kind: AuthKind;
  label: string;
  profiles: Array<string>;
  interactive: boolean;
  enabled: boolean;
};
export type GatewayVm = { name: string; kind: string; methods: Array<AuthMethodVm> };
export type ChoiceVm = { name: string; kind: string };
export type SessionVm = {
  profile: string;
  principalLabel: string;
  authStrength: AuthStrength;
  expiresAt: string | null;
};
export type StepVm = { prompt: string; secret: boolean; challenge: string | null };
export type FieldVm = {
  name: string;
  label: string;
  kind: FieldKindVm;
  required: boolean;
  least: number | null;
  most: number | null;
  choices: Array<string>;
};
export type OperationVm = { name: string; label: string; effect: Effect; fields: Array<FieldVm> };
export type CapVm = {
  ref: string;
  name: string;
  contractLabel: string;
  operations: Array<OperationVm>;
  leaseExpiresAt: string | null;
};
export type StateVm = {
  owner: OwnerVm;
  gateway: GatewayVm | null;
  gateways: Array<ChoiceVm>;
  session: SessionVm | null;
  step: StepVm | null;
  caps: Array<CapVm>;
};
export type PairVm = { name: string; value: string };
export type CallResultVm = {
  requestId: string;
  shape: Shape;
  text: string | null;
  fields: Array<PairVm>;
  columns: Array<string>;
  rows: Array<Array<string>>;
  truncated: boolean;
};
export type LoginVm = { state: StateVm; csrf: string | null };
export type TranscriptRowVm = { seq: number; at: string; kind: Kind; summary: string; outcome: string };
export type AuditRowVm = { at: string; kind: string; denial: string | null; detail: string };
export type ServiceVm = { label: string; summary: string; status: string; ref: string | null };
export type LaunchGrantVm = { name: string; label: string; required: boolean };
export type LauncherVm = {
  profile: string;
  label: string;
  summary: string;
  supported: boolean;
  status: string;
  grants: Array<LaunchGrantVm>;
};
export type LaunchVm = {
  requestId: string;
  profile: string;
  status: string;
  supported: boolean;
  message: string;
  grants: Array<string>;
};
export type HealthVm = { state: HealthState; latencyMs: number | null };
