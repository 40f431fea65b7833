//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// Connections that the kernel keeps for us until they are taken: a burst that finds fewer is tried again a second later.
const BACKLOG: u32 = 1024;
/// Bytes that the kernel keeps of what is sent and not fetched, for each connection; it counts as this program's memory. Left to itself the
/// kernel keeps megabytes; of what it is told it keeps the double (socket(7)). A usual answer has some ten KiB.
const UNFETCHED: u32 = 32 * 1024;

/// Listens on every address of the host: both IP families where the kernel has both, IPv4 alone where IPv6 is off. Runs in tokio's runtime.
///
/// # Errors
/// What the kernel says about the port: taken, or not allowed.
pub fn everywhere(port: u16) -> io::Result<TcpListener> {
    listen(TcpSocket::new_v6, (Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
        _ => listen(TcpSocket::new_v4, (Ipv4Addr::UNSPECIFIED, port).into()),
    })
}

/// What is accepted has the buffers of what listens.
fn listen(open: impl FnOnce() -> io::Result<TcpSocket>, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open()?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(UNFETCHED)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = everywhere(0).unwrap();
        let port = first.local_addr().unwrap().port();
        assert_eq!(everywhere(port).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn the_kernel_keeps_little_of_what_nobody_fetches() {
        let listener = everywhere(0).unwrap();
        listener.set_nonblocking(false).unwrap();
        let silent = TcpSocket::new_v4().unwrap();
        silent.set_recv_buffer_size(4096).unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = silent.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap();
        let mut accepted: TcpStream = listener.accept().unwrap().0;
        accepted.set_nonblocking(true).unwrap();
        let mut kept = 0;
        while let Ok(size) = accepted.write(&[0; 16_384]) {
            kept += size;
            assert!(kept < 4 * 1024 * 1024, "it has no end");
        }
        assert!(kept < 256 * 1024, "{kept}");
        drop(silent);
    }
}
