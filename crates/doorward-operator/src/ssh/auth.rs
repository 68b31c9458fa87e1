//! Signing in: by a password, by a key, and by whatever else the server asks for
//! after that.
//!
//! The server is asked first what it takes, so that a password is not sent to one
//! that takes none. What it asks the person is passed on, a prompt at a time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Reply, Prompt};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use zeroize::Zeroizing;

use super::broken;
use super::keys::KeyFile;
use super::link::{Handle, Seen};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{AuthKind, AuthStart, AuthStrength, Proof, Step};

/// What signing in came to.
pub(super) enum Came {
    In(Entered),
    Asks(Box<Dialogue>, Step),
}

/// Somebody who is signed in.
pub(super) struct Entered {
    pub(super) handle: Handle,
    pub(super) account: String,
    pub(super) strength: AuthStrength,
}

/// A sign-in under way.
pub(super) struct Dialogue {
    handle: Handle,
    seen: Seen,
    account: String,
    strength: AuthStrength,
    waits: Waits,
    /// Whether the server was told a proof.
    told: bool,
    /// What it answered to prompts so far, in all rounds of them.
    replies: usize,
}

/// What the person is asked for.
enum Waits {
    Nothing,
    Password,
    /// Of the key whose text this is.
    Passphrase(Zeroizing<String>),
    Prompts {
        heading: String,
        left: VecDeque<Prompt>,
        given: Vec<Zeroizing<String>>,
    },
}

impl Dialogue {
    pub(super) async fn begin(
        handle: Handle,
        seen: Seen,
        start: AuthStart,
        key: Option<&Path>,
    ) -> Result<Came, Denied> {
        if start.account.is_empty() {
            return Err(Denial::BadRequest.because("an account is needed"));
        }
        let mut this = Self {
            handle,
            seen,
            account: start.account,
            strength: AuthStrength::None,
            waits: Waits::Nothing,
            told: false,
            replies: 0,
        };
        let offered = match this.handle.authenticate_none(&this.account).await {
            Ok(AuthResult::Success) => return Ok(this.entered(AuthStrength::None)),
            Ok(AuthResult::Failure { .. }) if this.handle.is_closed() => return Err(this.gone()),
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) => remaining_methods,
            Err(error) => return Err(broken(&error)),
        };
        match start.kind {
            AuthKind::Password => {
                let password = start.proof.ok_or(Denial::BadRequest)?;
                if offered.contains(&MethodKind::Password) {
                    this.password(password).await
                } else if offered.contains(&MethodKind::KeyboardInteractive) {
                    this.interactive(Some(password)).await
                } else {
                    Err(not_offered())
                }
            }
            AuthKind::PublicKey => {
                let path = key.ok_or_else(not_offered)?;
                if !offered.contains(&MethodKind::PublicKey) {
                    return Err(not_offered());
                }
                match KeyFile::read(path)? {
                    KeyFile::Open(key) => this.key(*key).await,
                    KeyFile::Locked(text) => {
                        this.waits = Waits::Passphrase(text);
                        Ok(this.asks("Passphrase of the key", true))
                    }
                }
            }
            AuthKind::Anonymous | AuthKind::Guest => Err(not_offered()),
        }
    }

    pub(super) async fn go_on(mut self, answer: Proof) -> Result<Came, Denied> {
        match std::mem::replace(&mut self.waits, Waits::Nothing) {
            Waits::Nothing => Err(Denial::BadRequest.into()),
            Waits::Password => self.password(answer).await,
            Waits::Passphrase(text) => {
                let key = KeyFile::unlock(&text, answer.reveal())?;
                self.key(key).await
            }
            Waits::Prompts {
                heading,
                mut left,
                mut given,
            } => {
                left.pop_front();
                given.push(Zeroizing::new(answer.reveal().to_owned()));
                if !left.is_empty() {
                    return Ok(self.prompts(heading, left, given));
                }
                let answers = given.iter().map(|text| text.as_str().to_owned()).collect();
                let reply = self.respond(answers).await;
                self.replied(reply, None).await
            }
        }
    }

    async fn password(mut self, password: Proof) -> Result<Came, Denied> {
        self.told = true;
        let sent = self
            .handle
            .authenticate_password(&self.account, password.reveal())
            .await;
        self.judged(sent, AuthStrength::Password).await
    }

    async fn key(mut self, key: PrivateKey) -> Result<Came, Denied> {
        self.told = true;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let sent = self.handle.authenticate_publickey(&self.account, key).await;
        self.judged(sent, AuthStrength::PublicKey).await
    }

    async fn judged(
        mut self,
        sent: Result<AuthResult, russh::Error>,
        strength: AuthStrength,
    ) -> Result<Came, Denied> {
        match sent {
            Err(_) if self.handle.is_closed() => Err(self.refused()),
            Err(error) => Err(broken(&error)),
            Ok(AuthResult::Success) => Ok(self.entered(strength)),
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success: true,
            }) => {
                self.strengthen(strength);
                if remaining_methods.contains(&MethodKind::KeyboardInteractive) {
                    return self.interactive(None).await;
                }
                self.password_besides(&remaining_methods)
            }
            Ok(AuthResult::Failure { .. }) => Err(self.refused()),
        }
    }

    /// What was shown is right, and the server wants a password with it.
    fn password_besides(mut self, wanted: &MethodSet) -> Result<Came, Denied> {
        if !wanted.contains(&MethodKind::Password) {
            return Err(not_offered());
        }
        self.waits = Waits::Password;
        Ok(self.asks("Password", true))
    }

    async fn interactive(mut self, password: Option<Proof>) -> Result<Came, Denied> {
        let reply = self.start().await;
        self.replied(reply, password).await
    }

    async fn start(&mut self) -> Result<Reply, russh::Error> {
        self.handle
            .authenticate_keyboard_interactive_start(&self.account, None::<String>)
            .await
    }

    async fn respond(&mut self, answers: Vec<String>) -> Result<Reply, russh::Error> {
        self.told |= !answers.is_empty();
        self.handle
            .authenticate_keyboard_interactive_respond(answers)
            .await
    }

    /// Goes on until the person has to be asked. A prompt for a password is answered
    /// with it, once, where there is one; a code that is asked for first is the
    /// person's to give.
    async fn replied(
        mut self,
        mut reply: Result<Reply, russh::Error>,
        mut password: Option<Proof>,
    ) -> Result<Came, Denied> {
        // One loop for all rounds: a server may have as many as it likes.
        while self.replies < defaults::REPLIES {
            self.replies += 1;
            let (name, instructions, prompts) = match reply {
                Err(_) if self.handle.is_closed() => return Err(self.refused()),
                Err(error) => return Err(broken(&error)),
                Ok(Reply::Success) => return Ok(self.entered(AuthStrength::Password)),
                Ok(Reply::Failure {
                    remaining_methods,
                    partial_success: true,
                }) => {
                    self.strengthen(AuthStrength::Password);
                    if !remaining_methods.contains(&MethodKind::KeyboardInteractive) {
                        return self.password_besides(&remaining_methods);
                    }
                    reply = self.start().await;
                    continue;
                }
                Ok(Reply::Failure { .. }) => return Err(self.refused()),
                Ok(Reply::InfoRequest {
                    name,
                    instructions,
                    prompts,
                }) => (name, instructions, prompts),
            };
            let its_own = matches!(prompts.as_slice(), [one] if is_for_a_password(one));
            let answers = match password.take_if(|_| its_own) {
                Some(password) => vec![password.reveal().to_owned()],
                None if prompts.is_empty() => Vec::new(),
                None if prompts.len() > defaults::STEPS => break,
                None => {
                    let heading = format!("{name} {instructions}");
                    return Ok(self.prompts(heading, prompts.into(), Vec::new()));
                }
            };
            reply = self.respond(answers).await;
        }
        Err(Denial::ServiceUnavailable.because("it asks without end"))
    }

    fn prompts(
        mut self,
        heading: String,
        left: VecDeque<Prompt>,
        given: Vec<Zeroizing<String>>,
    ) -> Came {
        let front = left.front();
        let prompt = front.map_or("", |prompt| prompt.prompt.as_str());
        let prompt = format!("{} {}", heading.trim(), prompt.trim());
        let secret = front.is_none_or(|prompt| !prompt.echo);
        self.waits = Waits::Prompts {
            heading,
            left,
            given,
        };
        self.asks(prompt.trim(), secret)
    }

    fn asks(self, prompt: &str, secret: bool) -> Came {
        let step = Step {
            prompt: prompt.to_owned(),
            secret,
            challenge: None,
        };
        Came::Asks(Box::new(self), step)
    }

    fn entered(mut self, strength: AuthStrength) -> Came {
        self.strengthen(strength);
        Came::In(Entered {
            handle: self.handle,
            account: self.account,
            strength: self.strength,
        })
    }

    /// A key counts for more than a password beside it.
    fn strengthen(&mut self, strength: AuthStrength) {
        if self.strength != AuthStrength::PublicKey {
            self.strength = strength;
        }
    }

    /// The proof is wrong. A server that hangs up over it, with a word or without,
    /// says the same, or one could guess without its being counted.
    fn refused(&self) -> Denied {
        if self.handle.is_closed() && !self.told && !self.seen.bade_farewell() {
            return self.gone();
        }
        Denial::AuthenticationDenied.into()
    }

    fn gone(&self) -> Denied {
        Denial::UpstreamDisconnected.because("it hung up")
    }
}

/// "Password:", "Passwort:", "(ada@host) Password:"; in other languages the person is
/// asked once more.
fn is_for_a_password(prompt: &Prompt) -> bool {
    !prompt.echo && prompt.prompt.to_lowercase().contains("passw")
}

fn not_offered() -> Denied {
    Denial::DisabledAuthMethod.because("the server does not take this")
}
