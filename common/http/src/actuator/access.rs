//! Who may see and do what at the actuator.
//!
//! Every client may read the exposed endpoints. The others answer only at the management address: a listener of its own, which is not
//! published, or, without one, the server's port for callers on this machine. A request that changes something has to be one that a
//! browser does not send for a foreign page.

use std::net::{IpAddr, SocketAddr};

use crate::{
    forwarded::{ClientOrigin, split_port},
    management::ManagementSettings,
    problem::Problem,
};

/// A request, as any HTTP library has it.
#[derive(Clone, Copy)]
pub struct ActuatorRequest<'r> {
    pub method: &'r str,
    /// The whole path, without the query.
    pub path: &'r str,
    pub body: &'r [u8],
    /// Who connected.
    pub peer: Option<SocketAddr>,
    /// `Host`, or the authority of the target.
    pub host: &'r str,
    /// What links start with: `http://localhost:8088`.
    pub origin: &'r str,
    /// The first header field of this name, in lower case.
    pub header: &'r dyn Fn(&str) -> Option<&'r [u8]>,
}

/// Proxies add one or the other of these: the caller is not on this machine, though the proxy may be.
const PROXIED: [&str; 9] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-original-host",
    "x-real-ip",
];

/// How much of the actuator a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// What is exposed, and of health only whether it is well: components name databases and brokers.
    Public,
    Whole,
}

/// Where the management address is, seen from the listener that asks.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Here, for whoever calls from this machine.
    OwnPort,
    /// At another listener.
    Elsewhere,
    /// This listener is it.
    Here,
}

/// What a listener lets be seen.
#[derive(Clone, Debug)]
pub(super) struct Access {
    place: Place,
    exposed: Vec<String>,
    allowed_hosts: Vec<String>,
}

impl Access {
    pub(super) fn new(place: Place, settings: &ManagementSettings) -> Self {
        Self { place, exposed: settings.exposed.clone(), allowed_hosts: settings.allowed_hosts.clone() }
    }

    /// Whether everybody may read the endpoint.
    pub(super) fn exposes(&self, endpoint: &str) -> bool {
        self.exposed.iter().any(|exposed| exposed == endpoint)
    }

    pub(super) fn view(&self, request: &ActuatorRequest<'_>) -> View {
        let whole = match self.place {
            Place::Elsewhere => false,
            Place::Here => self.names_us(request.host, |name| is_address(name) || !name.contains('.')),
            Place::OwnPort => {
                request.peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
                    && PROXIED.iter().all(|name| (request.header)(name).is_none())
                    && self.names_us(request.host, is_loopback)
            }
        };
        if whole { View::Whole } else { View::Public }
    }

    /// A page that had its own name resolved to our address (DNS rebinding) still names itself as the host. It cannot have a
    /// page under an address, nor under a name without a dot.
    fn names_us(&self, host: &str, also: impl Fn(&str) -> bool) -> bool {
        let (name, _) = split_port(host);
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let localhost = name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().strip_suffix(".localhost").is_some_and(|sub| !sub.is_empty());
        !name.is_empty()
            && (localhost
                || also(name)
                || self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)))
    }
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

fn is_loopback(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Refuses what a browser could have been made to send. Browsers ask before they send JSON across origins, and get no leave
/// here; they do not ask before they send a form or plain text.
///
/// # Errors
/// 403 or 415.
pub(super) fn check_write(request: &ActuatorRequest<'_>) -> Result<(), Problem> {
    let field = |name| (request.header)(name);
    let foreign = || Problem::new(403).detail("Not across origins.");
    if let Some(origin) = field("origin") {
        let own = ClientOrigin::parse(request.origin);
        let same = own.zip(std::str::from_utf8(origin).ok()).is_some_and(|(own, origin)| own.is(origin));
        if !same {
            return Err(foreign());
        }
    }
    if field("sec-fetch-site").is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err(foreign());
    }
    if request.method == "POST" && !field("content-type").is_some_and(is_json) {
        return Err(
            Problem::unsupported_media_type().detail("The actuator takes Content-Type: application/json.")
        );
    }
    Ok(())
}

/// JSON, also under the names that Spring Boot Admin and others use (`application/vnd.spring-boot.actuator.v3+json`).
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    essence == crate::JSON.as_bytes()
        || essence
            .strip_prefix(b"application/vnd.spring-boot.actuator.v")
            .and_then(|rest| rest.strip_suffix(b"+json"))
            .is_some_and(|version| !version.is_empty() && version.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(place: Place, peer: &str, host: &str, field: Option<&str>) -> View {
        let header = |name: &str| (Some(name) == field).then_some(&b"1"[..]);
        let request = ActuatorRequest {
            method: "GET",
            path: "/actuator/loggers",
            body: b"",
            peer: peer.parse().ok(),
            host,
            origin: "",
            header: &header,
        };
        let settings = ManagementSettings { allowed_hosts: vec!["ops.example".into()], ..Default::default() };
        Access::new(place, &settings).view(&request)
    }

    #[test]
    fn on_the_own_port_whoever_is_on_this_machine() {
        for (peer, host) in [
            ("127.0.0.1:5", "localhost:8081"),
            ("127.0.0.1:5", "localhost"),
            ("127.8.9.1:5", "LOCALHOST:1"),
            ("127.0.0.1:5", "shop.localhost:8081"),
            ("127.0.0.1:5", "127.0.0.1:8081"),
            ("[::1]:5", "[::1]:8081"),
            ("[::ffff:127.0.0.1]:5", "127.0.0.1"),
            ("127.0.0.1:5", "ops.example:8081"),
        ] {
            assert_eq!(view(Place::OwnPort, peer, host, None), View::Whole, "{peer} {host}");
            assert_eq!(view(Place::Elsewhere, peer, host, None), View::Public, "{peer} {host}");
            for field in PROXIED {
                assert_eq!(view(Place::OwnPort, peer, host, Some(field)), View::Public, "{host} {field}");
            }
        }
        for (peer, host) in [
            ("10.0.0.7:5", "localhost:8081"),
            ("[2001:db8::1]:5", "localhost:8081"),
            ("nobody", "localhost:8081"),
            ("127.0.0.1:5", "shop.example"),
            ("127.0.0.1:5", "rebind.evil.example:8081"),
            ("127.0.0.1:5", "localhost.evil.example"),
            ("127.0.0.1:5", "127.0.0.1.evil.example"),
            ("127.0.0.1:5", ".localhost"),
            ("127.0.0.1:5", "10.0.0.7:8081"),
            ("127.0.0.1:5", "payment:8081"),
            ("127.0.0.1:5", ""),
        ] {
            assert_eq!(view(Place::OwnPort, peer, host, None), View::Public, "{peer} {host}");
        }
    }

    #[test]
    fn at_the_management_port_whoever_reaches_it_under_a_name_that_no_page_can_have() {
        for host in ["10.1.2.3:9080", "[fd00::7]:9080", "localhost:9081", "payment:9080", "ops.example"] {
            assert_eq!(view(Place::Here, "10.0.0.7:5", host, None), View::Whole, "{host}");
            assert_eq!(view(Place::Here, "10.0.0.7:5", host, Some("x-forwarded-for")), View::Whole, "{host}");
        }
        for host in ["rebind.evil.example:9080", "10.1.2.3.evil.example", ""] {
            assert_eq!(view(Place::Here, "127.0.0.1:5", host, None), View::Public, "{host}");
        }
    }

    fn write(fields: &[(&str, &str)]) -> u16 {
        let header =
            |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes());
        let request = ActuatorRequest {
            method: "POST",
            path: "/actuator/loggers/x",
            body: b"{}",
            peer: None,
            host: "localhost:8081",
            origin: "http://localhost:8081",
            header: &header,
        };
        check_write(&request).map_or_else(|problem| problem.status, |()| 204)
    }

    #[test]
    fn a_write_is_json_and_of_no_foreign_page() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        for (fields, status) in [
            (&[JSON][..], 204),
            (&[("content-type", "Application/JSON; charset=utf-8")], 204),
            (&[("content-type", "application/vnd.spring-boot.actuator.v2+json")], 204),
            (&[("content-type", "application/vnd.spring-boot.actuator.v3+json;charset=UTF-8")], 204),
            (&[JSON, ("origin", "http://localhost:8081"), ("sec-fetch-site", "same-origin")], 204),
            (&[JSON, ("sec-fetch-site", "none")], 204),
            (&[], 415),
            (&[("content-type", "text/plain;charset=UTF-8")], 415),
            (&[("content-type", "application/x-www-form-urlencoded")], 415),
            (&[("content-type", "text/plain; application/json")], 415),
            (&[("content-type", "application/jsonx")], 415),
            (&[("content-type", "application/vnd.spring-boot.actuator.v+json")], 415),
            (&[JSON, ("origin", "https://evil.example")], 403),
            (&[JSON, ("origin", "null")], 403),
            (&[JSON, ("origin", "http://localhost:3000")], 403),
            (&[JSON, ("origin", "https://localhost:8081")], 403),
            (&[JSON, ("sec-fetch-site", "cross-site")], 403),
            (&[JSON, ("sec-fetch-site", "same-site")], 403),
        ] {
            assert_eq!(write(fields), status, "{fields:?}");
        }
    }
}
