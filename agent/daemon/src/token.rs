//! `weir token`: through the running daemon's control socket, else on the data directory itself.

use std::path::Path;
use std::sync::Arc;

use hyper::Method;
use weir_auth::Authority;
use weir_config::units::parse_duration;
use weir_fs::DiskFs;
use weir_model::{Clock, SystemClock};
use weir_store::{Store, StoreOptions};

use crate::cli::{TokenAction, TokenArgs};
use crate::control::{self, TokenListed, TokenMade, TokenRequest};
use crate::records::CatalogRecords;

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let data = &args.data;
    if !data.is_dir() {
        return Err(format!(
            "{} is no data directory; name the one of `weir run` with --data",
            data.display()
        )
        .into());
    }
    match &args.action {
        TokenAction::Create { db, read, write, admin, name, expires } => {
            let clock = SystemClock::new();
            let expires = match expires {
                Some(text) => {
                    let ns = i64::try_from(parse_duration(text)?.as_nanos()).unwrap_or(i64::MAX);
                    Some(clock.now().0.saturating_add(ns))
                }
                None => None,
            };
            let request = TokenRequest {
                name: name.clone(),
                databases: db.clone(),
                read: *read,
                write: *write,
                admin: *admin,
                expires,
            };
            let made: TokenMade = match control::call(data, Method::POST, "/tokens", &request)? {
                Some(made) => made,
                None => offline(data, |authority, now| control::create(authority, &request, now))?,
            };
            println!("{}", made.token);
        }
        TokenAction::List => {
            let tokens: Vec<TokenListed> = match control::call(data, Method::GET, "/tokens", &())? {
                Some(tokens) => tokens,
                None => offline(data, |authority, _| Ok(control::list(authority)))?,
            };
            println!("{:<18}{:<22}{:<22}{:<24}allows", "id", "created", "expires", "name");
            for token in tokens {
                let expires = token.expires.map_or_else(|| "never".to_owned(), date);
                println!(
                    "{:<18}{:<22}{expires:<22}{:<24}{}",
                    token.id,
                    date(token.created),
                    token.name,
                    token.allows
                );
            }
        }
        TokenAction::Revoke { id } => {
            let path = format!("/tokens/{id}");
            if control::call::<()>(data, Method::DELETE, &path, &())?.is_none() {
                offline(data, |authority, _| authority.revoke(id).map_err(|e| e.to_string()))?;
            }
        }
    }
    Ok(())
}

/// Opens the directory itself: no daemon is running on it.
fn offline<T>(
    data: &Path,
    work: impl FnOnce(&Authority, weir_model::TimestampNs) -> Result<T, String>,
) -> Result<T, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut options = StoreOptions::new(data);
    options.lanes = 1;
    let store = Store::open(options, Arc::new(DiskFs::new()), clock.clone())?;
    let authority = Authority::open(Box::new(CatalogRecords(store.clone())))?;
    let result = work(&authority, clock.now());
    store.shutdown(std::time::Duration::from_secs(30));
    Ok(result?)
}

/// Seconds of UTC, for people.
fn date(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map(|t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}
