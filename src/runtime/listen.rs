//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Listens on every address of the host: both IP families where the kernel has both, IPv4 alone where IPv6 is off.
///
/// # Errors
/// What the kernel says about the port: taken, or not allowed.
pub fn everywhere(port: u16) -> io::Result<TcpListener> {
    let listener =
        TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error() {
        let first = everywhere(0).unwrap();
        let port = first.local_addr().unwrap().port();
        assert_eq!(everywhere(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
