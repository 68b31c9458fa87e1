//! What goes through a TURN connection (RFC 8489, RFC 8656 over TCP), followed
//! as it passes: STUN messages and ChannelData. Media is counted and not looked
//! at; of STUN, what tells who may be here and why a server says no.

/// Which side a direction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The page.
    Client,
    /// The TURN server.
    Server,
}

/// A STUN message has this in the same place always.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEAD: usize = 20;

const BINDING: u16 = 0x001;
/// The method that makes a place on the server.
const ALLOCATE: u16 = 0x003;
const REFRESH: u16 = 0x004;

const USERNAME: u16 = 0x0006;
const ERROR_CODE: u16 = 0x0009;

/// Before the first place was made: one message, and all together. A request with
/// every field has 300 bytes; each try is two requests.
const BEFORE_ONE: usize = 2 * 1024;
const BEFORE_ALL: u64 = 32 * 1024;
/// An answer that says no, text included.
const ERROR_ANSWER: usize = 2 * 1024;
/// A nonce grows old once in a while; one that is refused again at once does not
/// grow old.
const STALE_IN_A_ROW: u32 = 3;

/// Why a connection is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is no STUN.
    NotStun,
    /// Something else came before a place was made.
    Unproven,
    /// The server sends the client elsewhere: 300. It would go there past us.
    Redirected,
}

/// Why a server says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// The time in the user name is over.
    CredentialsExpired,
    /// It does not know user or password: 401 to a request that had both.
    CredentialsRejected,
    /// It wants another nonce again and again: 438.
    NonceRejected,
    /// 403 to one who wants a place.
    Forbidden,
    /// It has no place left: 486, 508.
    Full,
}

/// What both directions of a connection have told.
#[derive(Debug, Default)]
pub struct Talk {
    allocated: bool,
    /// A request for a place had a user name.
    proven: bool,
    /// Seconds since 1970, as time-limited user names begin.
    expires: Option<u64>,
    stale: u32,
    before: u64,
    said: Option<No>,
    client: Lane,
    server: Lane,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    head: [u8; HEAD],
    have: usize,
    left: usize,
    /// The body of a message that is looked at.
    body: Option<Vec<u8>>,
    bytes: u64,
}

/// What a message's type says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Request,
    Indication,
    Success,
    Error,
}

// === impl Talk ===

impl Talk {
    /// Follows `bytes` on their way.
    ///
    /// # Errors
    ///
    /// [`Cut`]: neither `bytes` nor anything behind them may go on.
    pub fn feed(&mut self, from: From, bytes: &[u8]) -> Result<(), Cut> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let lane = self.lane(from);
        lane.bytes = lane.bytes.saturating_add(count);
        if !self.allocated {
            self.before = self.before.saturating_add(count);
            if self.before > BEFORE_ALL {
                return Err(Cut::Unproven);
            }
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(from, rest)?;
        }
        Ok(())
    }

    /// Whether a place was made.
    #[must_use]
    pub fn is_allocated(&self) -> bool {
        self.allocated
    }

    /// What the server said no with, last.
    #[must_use]
    pub fn no(&self, unix_now: u64) -> Option<No> {
        match self.said {
            Some(No::CredentialsRejected | No::Forbidden)
                if self.expires.is_some_and(|expires| expires <= unix_now) =>
            {
                Some(No::CredentialsExpired)
            }
            said => said,
        }
    }

    /// Bytes of one direction.
    #[must_use]
    pub fn bytes(&self, from: From) -> u64 {
        match from {
            From::Client => self.client.bytes,
            From::Server => self.server.bytes,
        }
    }

    fn lane(&mut self, from: From) -> &mut Lane {
        match from {
            From::Client => &mut self.client,
            From::Server => &mut self.server,
        }
    }

    /// Takes what belongs together off the front.
    fn step<'a>(&mut self, from: From, bytes: &'a [u8]) -> Result<&'a [u8], Cut> {
        let lane = self.lane(from);
        if lane.left > 0 {
            let (here, rest) = bytes.split_at(lane.left.min(bytes.len()));
            lane.left -= here.len();
            if let Some(body) = &mut lane.body {
                body.extend_from_slice(here);
            }
            if lane.left == 0 {
                self.ended(from)?;
            }
            return Ok(rest);
        }
        let Some((&byte, rest)) = bytes.split_first() else {
            return Ok(bytes);
        };
        if let Some(place) = lane.head.get_mut(lane.have) {
            *place = byte;
        }
        lane.have += 1;
        let [first, _, high, low, ..] = lane.head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        match (lane.have, first >> 6) {
            (4, 1) => {
                lane.have = 0;
                // Over a stream it ends where four bytes do.
                lane.left = length.next_multiple_of(4);
                if !self.allocated {
                    return Err(Cut::Unproven);
                }
            }
            (1, 2 | 3) => return Err(Cut::NotStun),
            (HEAD, _) => self.begun(from, length)?,
            _ => {}
        }
        Ok(rest)
    }

    /// The head of a STUN message is whole.
    fn begun(&mut self, from: From, length: usize) -> Result<(), Cut> {
        let allocated = self.allocated;
        let lane = self.lane(from);
        let [_, _, _, _, cookie @ ..] = lane.head;
        if !cookie.starts_with(&COOKIE) || !length.is_multiple_of(4) {
            return Err(Cut::NotStun);
        }
        let (class, method) = lane.kind();
        let looked_at = match (from, class) {
            (From::Client, Class::Request) => method == ALLOCATE || method == REFRESH,
            (From::Client, _) => false,
            (From::Server, class) => class == Class::Error,
        };
        if !allocated {
            let opening = match from {
                From::Client => class == Class::Request && [BINDING, ALLOCATE].contains(&method),
                From::Server => [Class::Success, Class::Error].contains(&class),
            };
            if !opening || length > BEFORE_ONE {
                return Err(Cut::Unproven);
            }
        }
        if looked_at && length > ERROR_ANSWER {
            return Err(Cut::NotStun);
        }
        lane.have = 0;
        lane.left = length;
        lane.body = looked_at.then(Vec::new);
        if length == 0 {
            self.ended(from)?;
        }
        Ok(())
    }

    /// A message is whole.
    fn ended(&mut self, from: From) -> Result<(), Cut> {
        let lane = self.lane(from);
        let (class, method) = lane.kind();
        let body = lane.body.take();
        let is_channel = lane.head.first().is_some_and(|first| first >> 6 == 1);
        if is_channel {
            return Ok(());
        }
        match (from, class) {
            (From::Client, Class::Request) => {
                if let Some(name) = body.as_deref().and_then(|body| attribute(body, USERNAME)) {
                    self.proven = true;
                    self.expires = expiry(name);
                }
            }
            (From::Server, Class::Success) if method == ALLOCATE => {
                self.allocated = true;
                self.stale = 0;
                self.said = None;
            }
            (From::Server, Class::Success) if method == REFRESH => self.stale = 0,
            (From::Server, Class::Error) => {
                let code = body
                    .as_deref()
                    .and_then(|body| attribute(body, ERROR_CODE))
                    .and_then(error_code);
                return self.refused(code, method);
            }
            _ => {}
        }
        Ok(())
    }

    fn refused(&mut self, code: Option<u16>, method: u16) -> Result<(), Cut> {
        let for_place = [ALLOCATE, REFRESH].contains(&method);
        match code {
            Some(300) => return Err(Cut::Redirected),
            // The first one asks for the credentials.
            Some(401) if self.proven => self.said = Some(No::CredentialsRejected),
            Some(438) => {
                self.stale += 1;
                if self.stale >= STALE_IN_A_ROW {
                    self.said = Some(No::NonceRejected);
                }
            }
            Some(403) if for_place => self.said = Some(No::Forbidden),
            Some(486 | 508) if for_place => self.said = Some(No::Full),
            _ => {}
        }
        Ok(())
    }
}

// === impl Lane ===

impl Lane {
    /// Class and method, whose bits are mixed (RFC 8489 section 5).
    fn kind(&self) -> (Class, u16) {
        let [high, low, ..] = self.head;
        let kind = u16::from_be_bytes([high, low]);
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let method = (kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2);
        (class, method)
    }
}

// === impl No ===

impl No {
    /// The word that events use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::CredentialsExpired => "credentialsExpired",
            Self::CredentialsRejected => "credentialsRejected",
            Self::NonceRejected => "nonceRejected",
            Self::Forbidden => "forbidden",
            Self::Full => "serverFull",
        }
    }
}

/// The value of the first attribute of this type.
fn attribute(body: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = body;
    loop {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let [kind @ .., high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if u16::from_be_bytes(kind) == wanted {
            return behind.get(..length);
        }
        rest = behind.get(length.next_multiple_of(4)..)?;
    }
}

/// Hundreds, and tens and ones (RFC 8489 section 14.8).
fn error_code(value: &[u8]) -> Option<u16> {
    let [_, _, class, number, ..] = *value else {
        return None;
    };
    Some(u16::from(class & 7) * 100 + u16::from(number))
}

/// The time before the first colon of a time-limited user name.
fn expiry(name: &[u8]) -> Option<u64> {
    let digits = name.split(|&byte| byte == b':').next()?;
    let time = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // A number that is no time of these centuries is somebody's name.
    (1_000_000_000..100_000_000_000)
        .contains(&time)
        .then_some(time)
}

#[cfg(test)]
pub(crate) mod tests;
