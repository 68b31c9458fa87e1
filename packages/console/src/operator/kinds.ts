// What a person notices of a gateway's kind: its words, and what gateways of that kind do not have.

interface Kind {
  /** Who signs in. */
  account: string;
  /** Whether a profile can be asked for. */
  profiles: boolean;
  /** What signing in by a key means. */
  key: string;
  /** Whether it lists services. */
  services: boolean;
  /** Whether something can be launched. */
  launches: boolean;
  /** The fields that say how a command ended, by its number or by a signal. */
  ends: readonly string[];
  /** Why a session gets no more time; null where it can be asked for. */
  noMoreTime: string | null;
}

const CAPNP: Kind = {
  account: "Account",
  profiles: true,
  key: "The gateway sets something to sign. The key stays where it is: sign there, then paste the signature.",
  services: true,
  launches: true,
  ends: [],
  noMoreTime: null,
};

const KINDS: Readonly<Record<string, Kind>> = {
  capnp: CAPNP,
  ssh: {
    account: "Account",
    profiles: false,
    key: "doorward signs with the key that its configuration names. The key stays on this computer; a passphrase is asked for next, if it has one.",
    services: false,
    launches: true,
    ends: ["exit", "signal"],
    noMoreTime: "A session on a machine gets no more time. Sign in again once it is over.",
  },
  postgres: {
    ...CAPNP,
    account: "Role",
    profiles: false,
    services: false,
    launches: false,
    noMoreTime: "A session on a database gets no more time. Sign in again once it is over.",
  },
};

export const kindOf = (kind: string): Kind => KINDS[kind] ?? CAPNP;
