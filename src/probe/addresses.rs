//! The addresses of this Pod, by which Kafka knows its consumers. Read from `/proc`: there is no other way without system calls
//! of our own.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The addresses of this network namespace, without those that only it sees.
#[must_use]
pub fn own() -> BTreeSet<IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    version_4(&read("/proc/net/fib_trie")).chain(version_6(&read("/proc/net/if_inet6"))).collect()
}

/// The address in what a broker tells of a client: `/10.0.0.7`, or `name/10.0.0.7` (Java's `InetAddress.toString`).
#[must_use]
pub fn of_client(host: &str) -> Option<IpAddr> {
    let address = host.rsplit('/').next()?.split('%').next()?;
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// In the kernel's trie of routes, an address is a leaf, and what the host itself has is `host LOCAL` below it.
fn version_4(trie: &str) -> impl Iterator<Item = IpAddr> {
    let mut leaf = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        }
        let own = line == "/32 host LOCAL";
        leaf.filter(|address| own && !address.is_loopback()).map(IpAddr::V4)
    })
}

/// A line an address, which is 32 digits without colons.
fn version_6(table: &str) -> impl Iterator<Item = IpAddr> {
    let addresses = table.lines().filter_map(|line| u128::from_str_radix(line.split(' ').next()?, 16).ok());
    addresses.map(Ipv6Addr::from_bits).filter(|address| !address.is_loopback()).map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.7
           /32 host LOCAL
        |-- 10.244.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
";
    const TABLE: &str = "fd00000000000000000000000000000a 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
";

    #[test]
    fn own_addresses_are_found_and_no_others() {
        assert_eq!(version_4(TRIE).collect::<Vec<_>>(), ["10.244.1.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(version_6(TABLE).collect::<Vec<_>>(), ["fd00::a".parse::<IpAddr>().unwrap()]);
        assert_eq!(version_4("").chain(version_6("nonsense")).count(), 0);
    }

    #[test]
    fn clients_are_read_as_brokers_write_them() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(of_client("/10.244.1.7"), address("10.244.1.7"));
        assert_eq!(of_client("pod.local/10.244.1.7"), address("10.244.1.7"));
        assert_eq!(of_client("/fd00:0:0:0:0:0:0:a%eth0"), address("fd00::a"));
        assert_eq!(of_client("/0:0:0:0:0:ffff:af4:107"), address("10.244.1.7"));
        assert_eq!(of_client(""), None);
        assert_eq!(of_client("somewhere"), None);
    }
}
