//! `doorward gateway`: the reference gateway, and who may sign in to it.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_gateway::{Accounts, Listen, Profile, Server, Settings};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::args::{AddAccount, Gateway, GatewayCommand};
use crate::failure::{Code, Failure};
use crate::term::{remark, say_text};

/// Serves until it is told to stop, or adds an account.
pub(crate) async fn run(gateway: Gateway) -> Result<(), Failure> {
    match gateway.command {
        Some(GatewayCommand::AddAccount(add)) => add_account(&add),
        None => {
            let accounts = gateway
                .accounts
                .ok_or_else(|| Failure::usage("--accounts is missing"))?;
            let accounts = read(&accounts)?;
            serve(listen(&gateway.listen)?, accounts).await
        }
    }
}

async fn serve(listen: Listen, accounts: Accounts) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::start)?;
    let shown = match &listen {
        Listen::Unix(path) => Some(format!("unix:{}", path.display())),
        Listen::Tcp(_) => None,
    };
    let server = Server::open(listen, Settings::new(accounts))
        .await
        .map_err(|error| Failure::new(Code::Failed, "listen", "cannot listen").why(error))?;
    let address = shown.or_else(|| Some(server.address()?.to_string()));
    say_text(&format!("{}\n", address.unwrap_or_default()))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn listen(text: &str) -> Result<Listen, Failure> {
    let wrong = || Failure::usage("--listen takes 127.0.0.1:PORT, or unix: and an absolute path");
    if let Some(path) = text.strip_prefix("unix:") {
        let path = Path::new(path);
        return match path.is_absolute() {
            true => Ok(Listen::Unix(path.to_owned())),
            false => Err(wrong()),
        };
    }
    let port = text.strip_prefix("127.0.0.1:").ok_or_else(wrong)?;
    port.parse().map(Listen::Tcp).map_err(|_| wrong())
}

fn read(path: &Path) -> Result<Accounts, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let what = format!("cannot read the accounts in {}", path.display());
        Failure::new(Code::Config, "accounts", what).why(why)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Accounts::parse(&text).map_err(|error| failed(&error))
}

/// The file is replaced whole, and nobody else may read it.
fn add_account(add: &AddAccount) -> Result<(), Failure> {
    let mut accounts = match add.accounts.exists() {
        true => read(&add.accounts)?,
        false => Accounts::default(),
    };
    let failed = |error: &dyn std::fmt::Display| {
        let what = format!("cannot write the accounts to {}", add.accounts.display());
        Failure::new(Code::Failed, "accounts", what).why(error)
    };
    let profile = match add.profile.as_str() {
        "guest" => Profile::Guest,
        _ => Profile::Operator,
    };
    match &add.key {
        Some(key) => {
            let key = STANDARD.decode(key).ok().filter(|key| key.len() == 32);
            let key = key.ok_or_else(|| Failure::usage("--key takes 32 bytes in base64"))?;
            accounts.add_key(&add.name, profile, &key);
        }
        None => {
            let password = password()?;
            accounts
                .add_password(&add.name, profile, &password)
                .map_err(|error| failed(&error))?;
        }
    }
    let text = accounts.to_toml().map_err(|error| failed(&error))?;
    let path = std::path::absolute(&add.accounts).map_err(|error| failed(&error))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    file.persist(&path).map_err(|error| failed(&error))?;
    remark(&format!("{} may sign in as {}.", add.name, add.profile));
    Ok(())
}

/// Typed where there is a terminal, else one line of standard input.
fn password() -> Result<Zeroizing<String>, Failure> {
    let failed =
        |error| Failure::new(Code::Failed, "password", "cannot read a password").why(error);
    let mut password = Zeroizing::new(String::new());
    if std::io::stdin().is_terminal() {
        password = Zeroizing::new(rpassword::prompt_password("Password: ").map_err(failed)?);
    } else {
        std::io::stdin().read_line(&mut password).map_err(failed)?;
        let length = password.trim_end_matches(['\r', '\n']).len();
        password.truncate(length);
    }
    match password.is_empty() {
        true => Err(Failure::usage("an account needs a password, or --key")),
        false => Ok(password),
    }
}
