//! Where folders are not watched.

use std::fs::File;
use std::io;

use super::{Node, Signal, Watch};

/// Nothing: there is none.
#[derive(Debug)]
pub(in crate::watch) enum System {}

impl System {
    pub(in crate::watch) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::watch) fn node(_: &File) -> io::Result<Node> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::watch) fn watch(&self, _: &File) -> io::Result<Watch> {
        match *self {}
    }

    pub(in crate::watch) fn end(&self, _: Watch) {
        match *self {}
    }

    pub(in crate::watch) async fn hear(&self, _: &mut Vec<Signal>) -> io::Result<()> {
        match *self {}
    }
}
