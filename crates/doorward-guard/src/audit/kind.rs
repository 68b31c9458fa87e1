//! The kinds of event and their stable names.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// What an event is about. Names are stable: people filter on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// The daemon started.
    DaemonStarted = "daemon.started";
    /// The daemon stopped.
    DaemonStopped = "daemon.stopped";
    /// A configuration took effect.
    ConfigLoaded = "config.loaded";
    /// A launch ticket was made.
    TicketMinted = "ticket.minted";
    /// A ticket became a new session.
    SessionClaimed = "session.claimed";
    /// A ticket added a tab to a session.
    SessionJoined = "session.joined";
    /// A session was ended by its owner, or taken over.
    SessionRevoked = "session.revoked";
    /// A session ended by its age or by silence.
    SessionExpired = "session.expired";
    /// Addresses were made.
    GrantMinted = "grant.minted";
    /// An address was taken back.
    GrantRevoked = "grant.revoked";
    /// An address got more time.
    GrantRenewed = "grant.renewed";
    /// A folder or bucket was opened to the console.
    SourceAdded = "source.added";
    /// A page's pairing request was shown to the person.
    PairingShown = "pairing.shown";
    /// A shown pairing request ended without a pairing.
    PairingEnded = "pairing.ended";
    /// The person let pages ask again.
    PairingAllowed = "pairing.allowed";
    /// A page was paired.
    PagePaired = "page.paired";
    /// A pairing was ended.
    PageForgotten = "page.forgotten";
    /// A page made a file or folder; the detail is the shared folder.
    FileCreated = "file.created";
    /// A page copied something into it.
    FileCopied = "file.copied";
    /// A page renamed something, or moved it into it.
    FileMoved = "file.moved";
    /// A page deleted something in it.
    FileDeleted = "file.deleted";
    /// A page began to upload a file into it.
    FileUploaded = "file.uploaded";
    /// A page had a file of it opened in its application.
    FileOpened = "file.opened";
    /// A browser session reserved a gateway, to sign in to it.
    GatewayClaimed = "gateway.claimed";
    /// It signed in.
    GatewayEntered = "gateway.entered";
    /// The gateway, or its keeper here, said no.
    GatewayDenied = "gateway.denied";
    /// A gateway is free again.
    GatewayReleased = "gateway.released";
    /// A session on a gateway got more time.
    GatewayRenewed = "gateway.renewed";
    /// An operation of a gateway was run.
    GatewayCalled = "gateway.called";
    /// The console was turned to another gateway.
    GatewayChosen = "gateway.chosen";
    /// An automation reported.
    AutomationReported = "automation.reported";
    /// A request was refused.
    Refused = "refused";
    /// The first record of a file: names the file before it.
    AuditFile = "audit.file";
    /// The end of the file was not readable when it was opened.
    AuditRepaired = "audit.repaired";
    /// Notes could not be written; `count` of them.
    AuditLost = "audit.lost";
}

// === impl Display ===

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_need_no_escape() {
        let names: std::collections::BTreeSet<_> =
            Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(
            names
                .iter()
                .all(|name| name.chars().all(|c| c == '.' || c.is_ascii_alphabetic()))
        );
    }
}
