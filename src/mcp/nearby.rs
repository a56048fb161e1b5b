//! MCP servers that say in the local network that they are there: DNS-SD over multicast, `_mcp._tcp`. Only ever asked when a person
//! wants it, and nothing that is found is connected to. Everything that comes from there is untrusted.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};

use crate::domain::text::clean_line;

/// The kind of service.
const SERVICE: &str = "_mcp._tcp.local.";

/// More than this in one network is a flood.
const MOST: usize = 200;

/// One server that says that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearby {
    /// Its name in the network. Untrusted text, cleaned.
    pub instance: String,
    /// Its host's name, without the last dot.
    pub host: String,
    /// Its addresses, IPv4 first; those that mean another machine to each machine last.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: u16,
    /// What its TXT record says, by lower-case key.
    pub texts: BTreeMap<String, String>,
}

/// Listens for a while. The error says why the network cannot be asked at all.
pub async fn browse(span: Duration) -> Result<Vec<Nearby>, String> {
    let daemon = ServiceDaemon::new().map_err(|e| clean_line(&e.to_string(), 300))?;
    let events = daemon.browse(SERVICE).map_err(|e| clean_line(&e.to_string(), 300))?;
    let mut found: BTreeMap<String, Nearby> = BTreeMap::new();
    let until = Instant::now() + span;
    while let Ok(Ok(event)) = tokio::time::timeout(until.saturating_duration_since(Instant::now()), events.recv_async()).await {
        match event {
            ServiceEvent::ServiceResolved(service) if found.len() < MOST => {
                found.insert(service.fullname.clone(), Nearby::of(&service));
            }
            ServiceEvent::ServiceRemoved(_, fullname) => drop(found.remove(&fullname)),
            _ => {}
        }
    }
    // Its thread ends by itself; nobody waits for it.
    let _ = daemon.shutdown();
    Ok(found.into_values().collect())
}

impl Nearby {
    fn of(service: &ResolvedService) -> Self {
        let mut addresses: Vec<IpAddr> = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).collect();
        addresses.sort_by_key(|ip| (only_here(ip), *ip));
        let instance = service.fullname.strip_suffix(SERVICE).unwrap_or(&service.fullname).trim_end_matches('.').replace('\\', "");
        let texts = service.txt_properties.iter().map(|p| (clean_line(p.key(), 60).to_lowercase(), clean_line(p.val_str(), 200))).collect();
        Self {
            instance: clean_line(&instance, 100),
            host: clean_line(service.host.trim_end_matches('.'), 200),
            addresses,
            port: service.port,
            texts,
        }
    }

    /// Whether its address means this machine, whoever says it.
    pub fn is_here(&self) -> bool {
        self.addresses.first().is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }

    fn text(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|k| self.texts.get(*k)).map(String::as_str).filter(|t| !t.is_empty())
    }

    /// Where it is, as far as it says: an address of its own, on its own port, so that it cannot send anybody elsewhere.
    pub fn url(&self) -> Option<String> {
        let secure = self.text(&["tls", "https"]).is_some_and(|t| matches!(t, "1" | "true" | "yes"))
            || self.text(&["scheme", "proto", "protocol"]).is_some_and(|t| t.eq_ignore_ascii_case("https"));
        let path = self.text(&["path", "mcp_path", "mcp-path"]).unwrap_or("/mcp");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\' | '$');
        if path.contains(strange) || path.contains("//") || self.port == 0 {
            return None;
        }
        // A certificate is made out for a name; without one the address is surer.
        let host = match self.addresses.first()? {
            _ if secure => self.host.clone(),
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let good = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'));
        good.then(|| format!("{}://{host}:{}{path}", if secure { "https" } else { "http" }, self.port))
    }
}

/// Addresses that are no place in the network: one's own machine, or one link of it.
fn only_here(ip: &IpAddr) -> bool {
    let link = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    ip.is_loopback() || ip.is_unspecified() || link
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearby(texts: &[(&str, &str)]) -> Nearby {
        Nearby {
            instance: "Lab".into(),
            host: "lab.local".into(),
            addresses: vec!["10.0.0.7".parse().unwrap()],
            port: 8000,
            texts: texts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn the_address_is_its_own_whatever_it_says() {
        let url = |texts: &[(&str, &str)]| nearby(texts).url();
        assert_eq!(url(&[]).as_deref(), Some("http://10.0.0.7:8000/mcp"));
        assert_eq!(url(&[("path", "api/mcp")]).as_deref(), Some("http://10.0.0.7:8000/api/mcp"));
        assert_eq!(url(&[("proto", "https"), ("path", "/")]).as_deref(), Some("https://lab.local:8000/"));
        for bad in ["//evil.example/mcp", "/a b", "/x@evil", "/${TOKEN}", "/\u{1b}[2J"] {
            assert_eq!(url(&[("path", bad)]), None, "{bad}");
        }
        assert_eq!(url(&[("url", "http://evil.example/mcp")]).as_deref(), Some("http://10.0.0.7:8000/mcp"));
        assert_eq!(Nearby { addresses: vec![], ..nearby(&[]) }.url(), None);
        assert_eq!(Nearby { host: "a/b".into(), ..nearby(&[("tls", "1")]) }.url(), None);
        let v6 = Nearby { addresses: vec!["fe80::1".parse().unwrap()], ..nearby(&[]) };
        assert_eq!(v6.url().as_deref(), Some("http://[fe80::1]:8000/mcp"));
    }

    #[test]
    fn a_place_in_the_network_comes_before_ones_own_machine() {
        let mut all: Vec<IpAddr> =
            ["127.0.0.1", "fe80::1", "169.254.1.1", "::1", "fd00::2", "10.0.0.7"].iter().map(|a| a.parse().unwrap()).collect();
        all.sort_by_key(|ip| (only_here(ip), *ip));
        assert_eq!(all[..2], ["10.0.0.7".parse::<IpAddr>().unwrap(), "fd00::2".parse().unwrap()]);
        assert!(!nearby(&[]).is_here() && Nearby { addresses: vec!["127.0.0.1".parse().unwrap()], ..nearby(&[]) }.is_here());
    }

    /// Another daemon of this machine advertises; where multicast does not work, the reason is printed.
    #[tokio::test]
    async fn what_is_advertised_is_found() {
        let name = format!("swell-test-{}", std::process::id());
        let host = format!("{name}.local.");
        let info = mdns_sd::ServiceInfo::new(SERVICE, &name, &host, "", 9, &[("path", "/x")][..]);
        let advertised = ServiceDaemon::new().and_then(|daemon| daemon.register(info?.enable_addr_auto()).map(|()| daemon));
        let daemon = match advertised {
            Ok(daemon) => daemon,
            Err(e) => {
                eprintln!("skipped: multicast cannot be used here: {e}");
                return;
            }
        };
        let mut seen = Vec::new();
        for _ in 0..10 {
            match browse(Duration::from_secs(1)).await {
                Ok(found) => seen = found,
                Err(e) => {
                    eprintln!("skipped: multicast cannot be used here: {e}");
                    return;
                }
            }
            if seen.iter().any(|n| n.instance == name) {
                break;
            }
        }
        let _ = daemon.shutdown();
        let Some(mine) = seen.iter().find(|n| n.instance == name) else {
            eprintln!("skipped: multicast does not come back on this machine");
            return;
        };
        assert_eq!((mine.port, mine.texts["path"].as_str()), (9, "/x"));
        assert!(mine.url().unwrap().ends_with(":9/x"), "{mine:?}");
    }
}
