//! The settings, checked and compiled: what all workers share and none changes.

use std::{
    str::FromStr,
    sync::{Arc, atomic::AtomicUsize},
};

use http::Method;
use http_common::{Actuator, DiskSpace, Lifecycle};
use settings::{Invalid, non_empty};

use crate::{
    exchange::{Cors, CrossSite, RoutesPage, Rules},
    progress::Times,
    routing::{Definition, MAX_ADDRESSES, Pattern},
    settings::{RouteSettings, Settings, UpstreamSettings},
    upstream::{Address, Uploads},
};

pub(crate) struct Gateway {
    pub(crate) routes: Vec<Arc<Definition>>,
    pub(crate) upstream: UpstreamSettings,
    pub(crate) rules: Arc<Rules>,
    pub(crate) times: Times,
    pub(crate) header_bytes: usize,
    pub(crate) max_connections: usize,
    /// How many client connections all workers have open.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) lifecycle: Lifecycle,
    /// Another gateway may take over the port.
    pub(crate) shares_port: bool,
}

impl Gateway {
    /// # Errors
    /// The key, and what is wrong with its value.
    pub(crate) fn compile(settings: &Settings) -> Result<Self, Invalid> {
        let server = &settings.server;
        let lifecycle = Lifecycle::new();
        let mut routes: Vec<Arc<Definition>> = Vec::new();
        let mut shown = Vec::new();
        for (index, row) in settings.routes.iter().enumerate() {
            let key = |name: &str| format!("routes[{index}].{name}");
            non_empty(&key("id"), &row.id)?;
            if routes.iter().any(|other| other.id == row.id) {
                return Err(Invalid::new(key("id"), format!("{:?} is there twice", row.id)));
            }
            let uris = uris(settings, row, index)?;
            routes.push(Arc::new(Definition {
                id: row.id.clone(),
                pattern: Pattern::parse(&row.path).map_err(|reason| Invalid::new(key("path"), reason))?,
                methods: methods(&key("methods"), &row.methods)?,
                addresses: uris
                    .iter()
                    .map(|(key, uri)| Address::parse(key, uri))
                    .collect::<Result<_, _>>()?,
                body_limit: row.body_limit_bytes.unwrap_or(server.body_limit_bytes),
                body_timeout_ms: row.body_timeout_ms.unwrap_or(server.body_timeout_ms),
                response_timeout_ms: row.response_timeout_ms.unwrap_or(server.request_timeout_ms),
                connect_timeout_ms: row.connect_timeout_ms.unwrap_or(settings.upstream.connect_timeout_ms),
            }));
            shown.push(uris.into_iter().map(|(_, uri)| uri).collect());
        }
        let actuator = Actuator::new(crate::APPLICATION, lifecycle.clone())
            .health(Arc::new(DiskSpace::new(&settings.management.health.diskspace, [])))
            .endpoint("gateway/routes", RoutesPage::of(settings, &shown))
            .at_server(&settings.management, server.port);
        let rules = Rules {
            cors: Cors::compile(&settings.cors)?,
            cross_site: CrossSite::compile(&settings.cors.allowed_origins),
            trusted_proxies: settings.forwarded.trusted_proxies.clone(),
            actuator,
            uploads: Uploads::new(server.max_uploads_per_client),
            body_buffer_bytes: server.body_buffer_bytes,
            body_timeout_ms: server.body_timeout_ms,
        };
        Ok(Self {
            routes,
            upstream: settings.upstream.clone(),
            rules: Arc::new(rules),
            times: Times {
                header_ms: server.header_timeout_ms,
                stall_ms: server.stall_timeout_ms,
                keep_alive_ms: server.keep_alive_ms,
            },
            header_bytes: server.header_limit_bytes,
            max_connections: server.max_connections,
            connections: Arc::new(AtomicUsize::new(0)),
            lifecycle,
            shares_port: server.reuse_port,
        })
    }

    /// A gateway without routes for the management address, if that is a separate one. Clients cannot take its connections, so
    /// it answers probes and operators when clients have taken all of theirs.
    pub(crate) fn management(&self, settings: &Settings) -> Option<Self> {
        let (server, management) = (&settings.server, &settings.management);
        management.is_separate(server.port).then(|| Self {
            routes: Vec::new(),
            upstream: self.upstream.clone(),
            rules: Arc::new(Rules {
                cors: None,
                cross_site: CrossSite::compile(&settings.cors.allowed_origins),
                trusted_proxies: self.rules.trusted_proxies.clone(),
                actuator: self.rules.actuator.clone().at_management(management),
                uploads: Uploads::new(server.max_uploads_per_client),
                body_buffer_bytes: self.rules.body_buffer_bytes,
                body_timeout_ms: self.rules.body_timeout_ms,
            }),
            times: self.times,
            header_bytes: self.header_bytes,
            max_connections: MANAGEMENT_CONNECTIONS,
            connections: Arc::default(),
            lifecycle: self.lifecycle.clone(),
            shares_port: false,
        })
    }
}

/// Enough for collectors, probes and operators.
const MANAGEMENT_CONNECTIONS: usize = 256;

/// The addresses of a route, each with the key that it came from.
fn uris(settings: &Settings, row: &RouteSettings, index: usize) -> Result<Vec<(String, String)>, Invalid> {
    let named = match (&row.uri, row.uris.as_slice()) {
        (Some(uri), []) => vec![(format!("routes[{index}].uri"), uri.clone())],
        (None, uris) if !uris.is_empty() => {
            uris.iter().map(|uri| (format!("routes[{index}].uris"), uri.clone())).collect()
        }
        _ => {
            return Err(Invalid::new(format!("routes[{index}].uri"), "either uri or uris must be set"));
        }
    };
    let mut found = Vec::new();
    for (key, uri) in named {
        match settings.url.get(&uri) {
            None if !uri.contains("://") => {
                return Err(Invalid::new(
                    key,
                    format!("{uri:?} is neither http://host:port nor a name in [url]"),
                ));
            }
            None => found.push((key, uri)),
            Some(several) => {
                let key = format!("url.{uri}");
                found.extend(several.split(',').map(|one| (key.clone(), one.trim().to_owned())));
            }
        }
    }
    match found.len() > MAX_ADDRESSES {
        true => Err(Invalid::new(
            format!("routes[{index}].uris"),
            format!("a route has at most {MAX_ADDRESSES} addresses"),
        )),
        false => Ok(found),
    }
}

fn methods(key: &str, names: &[String]) -> Result<Vec<Method>, Invalid> {
    names
        .iter()
        .map(|name| match Method::from_str(name) {
            Ok(Method::CONNECT | Method::TRACE) | Err(_) => {
                Err(Invalid::new(key, format!("{name:?} is no method that can be routed")))
            }
            Ok(method) if name.chars().any(char::is_lowercase) => {
                Err(Invalid::new(key, format!("{method} must be in upper case, as in requests")))
            }
            Ok(method) => Ok(method),
        })
        .collect()
}
