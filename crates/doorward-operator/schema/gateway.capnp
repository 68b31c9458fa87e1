@0xd62a93a30da1d73a;

# Sessions on a gateway, and the capabilities that they hold.
#
# Nothing here is answered by an exception: what is refused comes back as Denied,
# because an exception arrives at the other side as a text without a kind. Nothing
# here says where a login comes from either: a gateway knows that from its socket.

struct Denied {
  kind @0 :Kind;
  message @1 :Text;  # for the log of whoever asked

  enum Kind {
    badRequest @0;
    disabledAuthMethod @1;
    authenticationDenied @2;
    unauthenticated @3;
    unknownCap @4;
    interfaceMismatch @5;
    staleSession @6;
    methodDenied @7;
    serviceUnavailable @8;
  }
}

# === signing in ===

enum AuthKind {
  password @0;
  publicKey @1;
  guest @2;
  anonymous @3;
}

struct AuthMethod {
  kind @0 :AuthKind;
  label @1 :Text;
  profiles @2 :List(Text);
  interactive @3 :Bool;
  enabled @4 :Bool;
}

struct AuthStart {
  kind @0 :AuthKind;
  account @1 :Text;
  profile @2 :Text;  # the account's own, if it is empty
}

struct AuthStep {
  prompt @0 :Text;
  redact @1 :Bool;       # the answer is a secret
  challenge @2 :Data;    # to be signed, if there is one
  remainingMs @3 :UInt64;
}

# The bootstrap interface.
interface SessionGateway {
  authMethods @0 () -> (methods :List(AuthMethod));
  start @1 (request :AuthStart) -> (result :Flow);
  guest @2 (profile :Text) -> (result :Entry);
  anonymous @3 (profile :Text) -> (result :Entry);

  struct Flow {
    union {
      flow @0 :AuthFlow;
      denied @1 :Denied;
    }
  }

  struct Entry {
    union {
      session @0 :Session;
      denied @1 :Denied;
    }
  }
}

interface AuthFlow {
  next @0 (response :Data) -> (result :Next);
  cancel @1 ();

  struct Next {
    union {
      step @0 :AuthStep;
      session @1 :Session;
      denied @2 :Denied;
      renewed @3 :SessionInfo;  # where the session itself began the flow
    }
  }
}

# === sessions ===

enum AuthStrength {
  none @0;
  localPresence @1;
  password @2;
  hardwareKey @3;
  publicKey @4;
}

enum PrincipalKind {
  human @0;
  operator @1;
  service @2;
  guest @3;
  anonymous @4;
}

struct SessionInfo {
  sessionId @0 :Data;
  principal @1 :Principal;
  authStrength @2 :AuthStrength;
  createdAtMs @3 :UInt64;
  expiresAtMs @4 :UInt64;
  profile @5 :Text;
  remainingMs @6 :UInt64;  # by the gateway's clock, which need not be the reader's

  struct Principal {
    id @0 :Data;
    kind @1 :PrincipalKind;
    displayName @2 :Text;
  }
}

interface Session {
  info @0 () -> (result :Info);
  capSet @1 () -> (caps :CapSet);
  renew @2 (proof :Data, requestedDurationMs :UInt64) -> (result :Info);
  logout @3 () -> (done :Bool);

  # Answers when the session ends, whatever ends it.
  ended @4 () -> (why :Denied);

  # As renew, for a proof that answers a challenge. The flow has steps as one that signs
  # in, and ends with its session; what is signed for the one is no good for the other.
  startRenewal @5 (requestedDurationMs :UInt64) -> (result :SessionGateway.Flow);

  struct Info {
    union {
      info @0 :SessionInfo;
      denied @1 :Denied;
    }
  }
}

interface CapSet {
  list @0 () -> (result :Listed);
  get @1 (name :Text, expectedInterfaceId :UInt64) -> (result :Found);

  struct Entry {
    name @0 :Text;
    interfaceId @1 :UInt64;
    transferPolicy @2 :Text;
    leaseRemainingMs @3 :UInt64;  # 0: as long as the session
  }

  struct Listed {
    union {
      entries @0 :List(Entry);
      denied @1 :Denied;
    }
  }

  struct Found {
    union {
      cap @0 :AnyPointer;
      denied @1 :Denied;
    }
  }
}

# === what capabilities answer ===

struct Reply {
  union {
    done @0 :Void;
    text @1 :Text;
    fields @2 :List(Pair);
    table @3 :Table;
    denied @4 :Denied;
  }
  truncated @5 :Bool;

  struct Pair {
    name @0 :Text;
    value @1 :Text;
  }

  struct Table {
    columns @0 :List(Text);
    rows @1 :List(Row);
  }

  struct Row {
    cells @0 :List(Text);
    # Places of cells that have no value, which an empty text is not.
    absent @1 :List(UInt16);
  }
}

interface SystemInfo {
  motd @0 () -> (reply :Reply);
  hostname @1 () -> (reply :Reply);
  status @2 () -> (reply :Reply);
}

interface Chat {
  join @0 (channel :Text, nickname :Text) -> (reply :Reply);
  leave @1 (channel :Text) -> (reply :Reply);
  send @2 (channel :Text, text :Text) -> (reply :Reply);
  who @3 (channel :Text) -> (reply :Reply);
  poll @4 (most :UInt16) -> (reply :Reply);
}

interface Notes {
  list @0 () -> (reply :Reply);
  get @1 (name :Text) -> (reply :Reply);
  put @2 (name :Text, text :Text) -> (reply :Reply);
  delete @3 (name :Text) -> (reply :Reply);
}

interface LogReader {
  read @0 (cursor :UInt64, most :UInt16) -> (reply :Reply);
}

interface AuditReader {
  read @0 (most :UInt16) -> (reply :Reply);
}

# === services ===

interface ServiceCatalog {
  list @0 () -> (result :Listed);

  struct Entry {
    id @0 :Text;
    label @1 :Text;
    summary @2 :Text;
    capName @3 :Text;
    status @4 :Text;
  }

  struct Listed {
    union {
      entries @0 :List(Entry);
      denied @1 :Denied;
    }
  }
}

interface ServiceRunner {
  list @0 () -> (result :Listed);
  probe @1 (profileId :Text) -> (result :Launch);
  start @2 (profileId :Text, grantNames :List(Text)) -> (result :Launch);
  attach @3 (profileId :Text) -> (reply :Reply);
  stop @4 (profileId :Text) -> (reply :Reply);

  struct Entry {
    id @0 :Text;
    label @1 :Text;
    summary @2 :Text;
    launchSupported @3 :Bool;
    status @4 :Text;
    grants @5 :List(Grant);
  }

  struct Grant {
    name @0 :Text;
    label @1 :Text;
    required @2 :Bool;
  }

  struct Status {
    profileId @0 :Text;
    status @1 :Text;
    launchSupported @2 :Bool;
    message @3 :Text;
    acceptedGrantNames @4 :List(Text);
  }

  struct Listed {
    union {
      entries @0 :List(Entry);
      denied @1 :Denied;
    }
  }

  struct Launch {
    union {
      status @0 :Status;
      denied @1 :Denied;
    }
  }
}
