//! Host names to addresses, without libc: a static program has no resolver of its own.
//!
//! `/etc/resolv.conf` is read leniently (what is not understood is passed over), `/etc/hosts` first. The search list is
//! walked here and every query is for an absolute name, so that names which are complete cost one query, not eight
//! (`ndots:5` and three search domains are what Kubernetes gives a Pod).

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    Resolver as Hickory, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

use crate::kafka::{config::Endpoint, error::Error};

const API: &str = "name lookup";
/// How long one name server may take before the next is asked; the caller's deadline is above all of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks names up, and remembers the answers as long as their TTL allows.
#[derive(Debug)]
pub struct Resolver {
    settings: Settings,
    /// `None` where it could not be set up: then only addresses can be reached.
    dns: Option<TokioResolver>,
}

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
        let settings = Settings::parse(&String::from_utf8_lossy(&text));
        // Without a name server there is still `/etc/hosts`.
        let servers = settings.servers.iter().copied().map(NameServerConfig::udp_and_tcp).collect();
        let config = ResolverConfig::from_name_servers(servers);
        let mut builder = Hickory::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = PATIENCE;
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.use_hosts_file = ResolveHosts::Always;
        options.cache_size = 256;
        let dns = builder.build().ok();
        Self { settings, dns }
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
        for name in self.settings.candidates(&endpoint.host) {
            match dns.lookup_ip(name.as_str()).await {
                Ok(found) => {
                    let addresses: Vec<_> = found.iter().map(with_port).collect();
                    if !addresses.is_empty() {
                        return Ok(addresses);
                    }
                }
                Err(error) if error.is_no_records_found() || error.is_nx_domain() => {}
                Err(_) if self.settings.servers.is_empty() => {}
                Err(error) => return Err(Error::unreachable(API, &place, error.to_string())),
            }
        }
        if self.settings.servers.is_empty() {
            return Err(no_server());
        }
        Err(Error::unreachable(API, &place, "no such host; check the name and the Service behind it"))
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
}
