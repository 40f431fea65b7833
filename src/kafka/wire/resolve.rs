//! Host names to addresses, without libc: a static program has no resolver of its own.
//!
//! `/etc/resolv.conf` is read leniently (what is not understood is passed over), `/etc/hosts` first. The search list is
//! walked here and every query is for an absolute name, so that names which are complete cost one query, not eight
//! (`ndots:5` and three search domains are what Kubernetes gives a Pod).

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use hickory_resolver::{
    Resolver as Hickory, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use tokio::time::timeout;

use crate::kafka::{config::Endpoint, error::Error};

const API: &str = "name lookup";
/// The port of name servers.
const DNS_PORT: u16 = 53;
/// How long one name server may take before the next is asked; the caller's deadline is above all of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long IPv6 addresses are waited for where IPv4 ones are there: some name servers never answer questions for them.
const GRACE: Duration = Duration::from_millis(250);

/// Looks names up, and remembers the answers as long as their TTL allows.
#[derive(Debug)]
pub struct Resolver {
    settings: Settings,
    /// `None` where it could not be set up: then only addresses can be reached.
    dns: Option<[TokioResolver; 2]>,
}

/// Both families: a Pod that has IPv6 alone cannot use the IPv4 address of a broker that has both.
const FAMILIES: [LookupIpStrategy; 2] = [LookupIpStrategy::Ipv4Only, LookupIpStrategy::Ipv6Only];

/// What `/etc/resolv.conf` says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    servers: Vec<IpAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl Resolver {
    /// A resolver as this machine or container is configured.
    #[must_use]
    pub fn from_system() -> Self {
        let text = std::fs::read("/etc/resolv.conf").unwrap_or_default();
        Self::with(Settings::parse(&String::from_utf8_lossy(&text)), DNS_PORT)
    }

    fn with(settings: Settings, port: u16) -> Self {
        // Without a name server there is still `/etc/hosts`.
        let servers = settings.servers.iter().map(|server| {
            let mut server = NameServerConfig::udp_and_tcp(*server);
            for connection in &mut server.connections {
                connection.port = port;
            }
            server
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let of = |family| {
            let mut builder = Hickory::builder_with_config(config.clone(), TokioRuntimeProvider::default());
            let options = builder.options_mut();
            options.timeout = PATIENCE;
            options.ip_strategy = family;
            options.use_hosts_file = ResolveHosts::Always;
            options.cache_size = 256;
            builder.build().ok()
        };
        let [four, six] = FAMILIES.map(of);
        Self { settings, dns: four.zip(six).map(|(four, six)| [four, six]) }
    }

    /// Every address of an endpoint, in the order of the answer; at least one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be a name, [`Error::Retriable`] for a name that is not found (it may appear: a
    /// headless Service lists Pods as they come) and for name servers that do not answer. Has no deadline of its own.
    pub async fn resolve(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
        let with_port = |address| SocketAddr::new(address, endpoint.port);
        if let Ok(address) = endpoint.host.parse() {
            return Ok(vec![with_port(address)]);
        }
        let place = endpoint.to_string();
        let no_server =
            || Error::invalid(API, &place, "not in /etc/hosts, and no name server in /etc/resolv.conf: add one");
        let dns = self.dns.as_ref().ok_or_else(no_server)?;
        let mut failed = None;
        for name in self.settings.candidates(&endpoint.host) {
            match both_families(dns, &name).await {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => return Ok(addresses.into_iter().map(with_port).collect()),
                Err(_) if self.settings.servers.is_empty() => {}
                // As libc does: a domain of the search list whose servers fail or refuse says nothing of the next one. A server that does
                // not answer says the same to every name.
                Err(error @ NetError::Dns(_)) => failed = failed.or(Some(error)),
                Err(error) => return Err(Error::unreachable(API, &place, error.to_string())),
            }
        }
        if let Some(error) = failed {
            return Err(Error::unreachable(API, &place, error.to_string()));
        }
        if self.settings.servers.is_empty() {
            return Err(no_server());
        }
        Err(Error::unreachable(API, &place, "no such host; check the name and the Service behind it"))
    }
}

/// The addresses of an absolute name, IPv4 first; none where it has none. An error where a family could not be asked for, and the other has
/// no address. That there is no such name is believed of a question for IPv4 alone: some name servers say it of IPv6 where only the address
/// is missing (RFC 4074).
async fn both_families([four, six]: &[TokioResolver; 2], name: &str) -> Result<Vec<IpAddr>, NetError> {
    let mut six = pin!(family(six, name));
    let mut early = None;
    let four = {
        let mut four = pin!(family(four, name));
        loop {
            tokio::select! {
                biased;
                found = &mut four => break found,
                found = &mut six, if early.is_none() => early = Some(found),
            }
        }
    };
    let six = match (early, &four) {
        (Some(found), _) => found,
        // Where there is no such name, `/etc/hosts` alone can have an IPv6 address of it, and that takes no waiting.
        (None, Ok(None)) => timeout(Duration::ZERO, six).await.unwrap_or(Ok(None)),
        (None, Ok(Some(found))) if !found.is_empty() => timeout(GRACE, six).await.unwrap_or(Ok(None)),
        (None, _) => six.await,
    };
    match (four, six) {
        (Ok(four), Ok(six)) => Ok(four.into_iter().chain(six).flatten().collect()),
        (Ok(None), Err(_)) => Ok(Vec::new()),
        (Ok(Some(found)), Err(_)) | (Err(_), Ok(Some(found))) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// A name's addresses of one family; `None` where there is no such name, which is said of every family (RFC 8020).
async fn family(dns: &TokioResolver, name: &str) -> Result<Option<Vec<IpAddr>>, NetError> {
    match dns.lookup_ip(name).await {
        Ok(found) => Ok(Some(found.iter().collect())),
        Err(error) if error.is_nx_domain() => Ok(None),
        Err(error) if error.is_no_records_found() => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

impl Settings {
    /// See resolv.conf(5). The last `search` or `domain` counts.
    fn parse(text: &str) -> Self {
        let mut settings = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => settings.servers.extend(words.next().and_then(|word| {
                    // A zone (`fe80::1%eth0`) cannot be expressed; the server is still worth a try without it.
                    word.split('%').next().and_then(|address| address.parse::<IpAddr>().ok())
                })),
                Some("search" | "domain") => {
                    settings.search = words.map(|word| word.trim_matches('.').to_owned()).collect();
                    settings.search.retain(|domain| !domain.is_empty());
                }
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok()).next_back();
                    settings.ndots = ndots.unwrap_or(settings.ndots).min(15);
                }
                _ => {}
            }
        }
        settings
    }

    /// The absolute names to ask for, in turn: as libc would, but a name that already ends in a search domain is complete.
    fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let complete = format!("{host}.");
        let is_below = |domain: &String| host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        if self.search.iter().any(is_below) {
            return vec![complete];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}."));
        if host.matches('.').count() >= self.ndots {
            std::iter::once(complete).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(complete)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str =
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";

    #[test]
    fn a_pods_resolv_conf_is_read() {
        let settings = Settings::parse(POD);
        assert_eq!(settings.servers, ["10.96.0.10".parse::<IpAddr>().unwrap()]);
        assert_eq!(settings.search, ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
        assert_eq!(settings.ndots, 5);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let text = "# no\nnameserver fe80::1%eth0\nnameserver nonsense\n;x\nsortlist 1\noptions rotate ndots:x trust-ad no-aaaa\nsearch .\nlookup file bind\n\u{fffd}";
        let settings = Settings::parse(text);
        assert_eq!(settings, Settings { servers: vec!["fe80::1".parse().unwrap()], search: vec![], ndots: 1 });
    }

    #[test]
    fn a_complete_name_costs_one_query() {
        let settings = Settings::parse(POD);
        assert_eq!(settings.candidates("kafka.example."), ["kafka.example."]);
        let service = "kafka-0.brokers.shop.svc.cluster.local";
        assert_eq!(settings.candidates(service), [format!("{service}.")]);
        assert_eq!(settings.candidates("kafka.shop.svc.cluster.local"), ["kafka.shop.svc.cluster.local."]);
    }

    #[test]
    fn short_names_walk_the_search_list_as_libc_does() {
        let settings = Settings::parse(POD);
        let short = settings.candidates("kafka.shop");
        assert_eq!(short.len(), 4);
        assert_eq!(short[1], "kafka.shop.svc.cluster.local.");
        assert_eq!(short[3], "kafka.shop.");
        assert_eq!(settings.candidates("a.b.c.d.e.f")[0], "a.b.c.d.e.f.");
        assert_eq!(Settings::parse("").candidates("kafka"), ["kafka."]);
        assert_eq!(settings.candidates("mycluster.local").len(), 4, "a label that merely ends alike is not below");
    }

    #[tokio::test]
    async fn addresses_pass_through() {
        let resolver = Resolver { settings: Settings::parse(""), dns: None };
        let found = resolver.resolve(&"[::1]:9".parse().unwrap()).await.unwrap();
        assert_eq!(found, ["[::1]:9".parse().unwrap()]);
        let error = resolver.resolve(&"kafka:9".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("/etc/resolv.conf"), "{error}");
    }

    /// What a name server says to a question.
    #[derive(Clone, Copy)]
    enum Says {
        Address(IpAddr),
        Nothing,
        Failed(u8),
        Silence,
    }

    const A: u16 = 1;

    /// A resolver as in a Pod whose node's domain is in the search list, and the name server that it asks.
    async fn asking(answer: fn(&str, u16) -> Says) -> Resolver {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut question = [0; 512];
            loop {
                let (length, from) = server.recv_from(&mut question).await.unwrap();
                if let Some(reply) = reply(&question[..length], answer) {
                    server.send_to(&reply, from).await.unwrap();
                }
            }
        });
        let text = "nameserver 127.0.0.1\nsearch svc.cluster.local node.acme.net\noptions ndots:5";
        Resolver::with(Settings::parse(text), port)
    }

    /// The answer to a question, as RFC 1035 has it.
    fn reply(question: &[u8], answer: fn(&str, u16) -> Says) -> Option<Vec<u8>> {
        let (mut name, mut at) = (String::new(), 12);
        while question[at] != 0 {
            let label = &question[at + 1..=at + usize::from(question[at])];
            name += &format!("{}.", std::str::from_utf8(label).unwrap());
            at += 1 + label.len();
        }
        let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
        let (code, address) = match answer(&name, kind) {
            Says::Address(address) => (0, Some(address)),
            Says::Nothing => (3, None),
            Says::Failed(code) => (code, None),
            Says::Silence => return None,
        };
        let mut reply =
            [&question[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]].concat();
        reply.extend(&question[12..at + 5]);
        if let Some(address) = address {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let [high, low] = kind.to_be_bytes();
            reply.extend([0xC0, 12, high, low, 0, 1, 0, 0, 0, 60, 0, u8::try_from(bytes.len()).unwrap()]);
            reply.extend(bytes);
        }
        Some(reply)
    }

    const FOUR: &str = "192.0.2.7:9092";
    const SIX: &str = "[2001:db8::7]:9092";

    fn address(text: &str) -> Says {
        Says::Address(text.parse::<SocketAddr>().unwrap().ip())
    }

    async fn resolved(answer: fn(&str, u16) -> Says) -> Result<Vec<String>, Error> {
        let found = asking(answer).await.resolve(&"kafka.acme.com:9092".parse().unwrap()).await?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn a_search_domain_that_fails_hides_no_later_name() {
        let of = |code| -> fn(&str, u16) -> Says {
            if code == 2 {
                |name, kind| match (name, kind) {
                    ("kafka.acme.com.", A) => address(FOUR),
                    ("kafka.acme.com.node.acme.net.", _) => Says::Failed(2),
                    _ => Says::Nothing,
                }
            } else {
                |name, kind| match (name, kind) {
                    ("kafka.acme.com.", A) => address(FOUR),
                    ("kafka.acme.com.svc.cluster.local.", _) => Says::Failed(5),
                    _ => Says::Nothing,
                }
            }
        };
        // SERVFAIL, REFUSED.
        for code in [2, 5] {
            assert_eq!(resolved(of(code)).await.unwrap(), [FOUR], "{code}");
        }
    }

    #[tokio::test]
    async fn where_no_name_has_an_address_the_failure_is_told() {
        let told = |error: Error| error.to_string();
        let nothing = told(resolved(|_, _| Says::Nothing).await.unwrap_err());
        assert!(nothing.contains("no such host"), "{nothing}");
        let failed = resolved(|name, _| if name.contains("node") { Says::Failed(2) } else { Says::Nothing }).await;
        let failed = told(failed.unwrap_err());
        assert!(!failed.contains("no such host") && failed.contains("kafka.acme.com:9092"), "{failed}");
    }

    #[tokio::test]
    async fn addresses_of_both_families_are_found() {
        let both = resolved(|name, kind| match (name, kind) {
            ("kafka.acme.com.", A) => address(FOUR),
            ("kafka.acme.com.", _) => address(SIX),
            _ => Says::Nothing,
        });
        assert_eq!(both.await.unwrap(), [FOUR, SIX]);
        let six = resolved(|name, kind| match (name, kind) {
            ("kafka.acme.com.", A) => Says::Failed(2),
            ("kafka.acme.com.", _) => address(SIX),
            _ => Says::Nothing,
        });
        assert_eq!(six.await.unwrap(), [SIX]);
    }

    #[tokio::test]
    async fn a_server_that_is_silent_about_one_family_costs_a_moment() {
        let began = std::time::Instant::now();
        let found = resolved(|name, kind| match (name, kind) {
            ("kafka.acme.com.", A) => address(FOUR),
            (_, A) => Says::Nothing,
            _ => Says::Silence,
        });
        assert_eq!(found.await.unwrap(), [FOUR]);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
}
