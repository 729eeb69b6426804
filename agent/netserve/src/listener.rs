//! Where to listen: TCP addresses and Unix sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::connection::Peer;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`; the host may be a name or an address, port 0 takes a free one.
    Tcp(String),
    /// A Unix socket. The file gets the mode and is removed at the end.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Permission bits of the file.
        mode: u32,
    },
}

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an address to listen on; write HOST:PORT, [IPv6]:PORT, :PORT or unix:/path")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    /// `HOST:PORT`, `:PORT` (all interfaces), `unix:/path` or `unix:///path` (mode 0660).
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.chars().take(120).collect());
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return if path.is_empty() {
                Err(wrong())
            } else {
                Ok(Self::Unix { path: PathBuf::from(path), mode: 0o660 })
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if (host.contains(':') && !bracketed) || host.contains(['/', ' ']) {
            return Err(wrong());
        }
        if host.is_empty() { Ok(Self::Tcp(format!("[::]:{port}"))) } else { Ok(Self::Tcp(text.to_owned())) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a listener cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The host name leads nowhere.
    #[error("cannot resolve {address}; check the host name in the listener's address")]
    Resolve {
        /// As configured.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Somebody listens there already.
    #[error(
        "cannot listen on {address}: it is in use; stop the other program or choose another address (port 0 takes a free one)"
    )]
    InUse {
        /// As configured.
        address: String,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Io {
        /// As configured.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A bound socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "removes the file when dropped")] SocketFile),
}

/// A connection just accepted.
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Binds. A socket file that nobody answers on any more is replaced.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(address: &Address) -> Result<Self, BindError> {
        let fail = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address: address.to_string() },
            _ => BindError::Io { address: address.to_string(), source },
        };
        match address {
            Address::Tcp(text) => {
                let found = tokio::net::lookup_host(text)
                    .await
                    .map_err(|source| BindError::Resolve { address: text.clone(), source })?;
                let listener = bind_first(found).await.map_err(fail)?;
                let local = listener.local_addr().map_err(fail)?;
                Ok(Self { socket: Socket::Tcp(listener), address: Address::Tcp(local.to_string()) })
            }
            Address::Unix { path, mode } => {
                remove_stale(path).await.map_err(fail)?;
                let listener = UnixListener::bind(path).map_err(fail)?;
                let file = SocketFile(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).map_err(fail)?;
                Ok(Self { socket: Socket::Unix(listener, file), address: address.clone() })
            }
        }
    }

    /// Where it listens; with the port it got if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The TCP address; `None` for a Unix socket.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small and go out in one piece; waiting for more only adds latency.
                stream.set_nodelay(true)?;
                // A client that vanished without a word is noticed by the system in the end.
                if let Err(error) = rustix::net::sockopt::set_socket_keepalive(&stream, true) {
                    tracing::debug!(%error, "cannot switch on TCP keep-alive");
                }
                Ok((Accepted::Tcp(stream), Peer::Tcp(peer)))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Accepted::Unix(stream), Peer::Unix))
            }
        }
    }
}

async fn bind_first(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Removes a socket file left by a process that is gone; refuses when somebody answers or the file is no socket.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket stands there"))
        }
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            _ => Err(io::ErrorKind::AddrInUse.into()),
        },
    }
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "socket file not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_parse_or_say_what_is_wrong() {
        let tcp = |text: &str| Address::Tcp(text.to_owned());
        assert_eq!("127.0.0.1:8086".parse(), Ok(tcp("127.0.0.1:8086")));
        assert_eq!("[::1]:0".parse(), Ok(tcp("[::1]:0")));
        assert_eq!("localhost:80".parse(), Ok(tcp("localhost:80")));
        assert_eq!(":8086".parse(), Ok(tcp("[::]:8086")));
        assert_eq!("unix:/run/w".parse(), Ok(Address::Unix { path: "/run/w".into(), mode: 0o660 }));
        assert_eq!("unix:///run/w".parse(), Ok(Address::Unix { path: "/run/w".into(), mode: 0o660 }));
        for wrong in ["", "8086", "::1:80", "host:", "host:http", "host:70000", "http://h:1", "unix:"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn port_zero_reports_the_port_it_got_and_a_second_bind_says_in_use() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.address().to_string();
        assert_ne!(first.tcp_address().unwrap().port(), 0);
        let second = Listener::bind(&address.parse().unwrap()).await;
        assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
    }

    #[tokio::test]
    async fn stale_socket_files_are_replaced_and_living_or_foreign_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let address = Address::Unix { path: path.clone(), mode: 0o600 };
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let living = Listener::bind(&address).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Listener::bind(&address).await, Err(BindError::InUse { .. })));
        drop(living);
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&address).await.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
