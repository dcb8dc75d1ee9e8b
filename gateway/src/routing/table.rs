//! The route table of a worker.

use std::{rc::Rc, sync::Arc};

use http::Method;

use super::route::{Definition, Route};
use crate::{
    deadlines::Deadlines,
    settings::UpstreamSettings,
    upstream::{Address, Upstream},
};

pub(crate) struct Table {
    routes: Vec<Rc<Route>>,
    /// Of all routes, each once: routes that name the same address share its connections.
    upstreams: Vec<Rc<Upstream>>,
}

/// What the table says about a request.
pub(crate) enum Match<'t> {
    Route(&'t Rc<Route>),
    /// Routes match the path, but none opens the method. They open these methods.
    OtherMethods(String),
    None,
}

impl Table {
    pub(crate) fn new(
        definitions: &[Arc<Definition>],
        settings: &UpstreamSettings,
        clock: &Rc<Deadlines>,
    ) -> Self {
        let mut known: Vec<(&Address, Rc<Upstream>)> = Vec::new();
        let mut routes = Vec::new();
        for definition in definitions {
            let mut upstreams = Vec::new();
            for address in &definition.addresses {
                let upstream = match known.iter().find(|(other, _)| *other == address) {
                    Some((_, upstream)) => upstream.clone(),
                    None => {
                        let upstream = Upstream::new(address, settings, clock);
                        known.push((address, upstream.clone()));
                        upstream
                    }
                };
                upstreams.push(upstream);
            }
            routes.push(Route::new(definition.clone(), upstreams));
        }
        let upstreams = known.into_iter().map(|(_, upstream)| upstream).collect();
        Self { routes, upstreams }
    }

    pub(crate) fn routes(&self) -> &[Rc<Route>] {
        &self.routes
    }

    /// Drops connections to services that nobody has used for too long.
    pub(crate) fn sweep(&self) {
        for upstream in &self.upstreams {
            upstream.sweep();
        }
    }

    /// The first route that matches the path and opens the method.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Match<'_> {
        let mut others: Vec<&Method> = Vec::new();
        for route in &self.routes {
            let definition = &*route.definition;
            if definition.pattern.matches(path) {
                if definition.opens(method) {
                    return Match::Route(route);
                }
                others.extend(&definition.methods);
            }
        }
        if others.is_empty() {
            return Match::None;
        }
        let mut names: Vec<&str> = others.into_iter().map(Method::as_str).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        Match::OtherMethods(names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::routing::pattern::Pattern;

    fn definition(path: &str, methods: &[Method]) -> Arc<Definition> {
        Arc::new(Definition {
            id: path.to_owned(),
            pattern: Pattern::parse(path).unwrap(),
            methods: methods.to_vec(),
            addresses: Vec::new(),
            body_limit: 0,
            body_timeout_ms: 0,
            response_timeout_ms: 0,
            connect_timeout_ms: 0,
        })
    }

    fn table(definitions: &[Arc<Definition>]) -> Table {
        let routes =
            definitions.iter().map(|definition| Route::new(definition.clone(), Vec::new())).collect();
        Table { routes, upstreams: Vec::new() }
    }

    /// The pattern of the route, or the methods that others open.
    fn found(table: &Table, method: &Method, path: &str) -> String {
        match table.find(method, path) {
            Match::Route(route) => route.definition.pattern.as_str().to_owned(),
            Match::OtherMethods(methods) => methods,
            Match::None => String::new(),
        }
    }

    #[test]
    fn the_first_match_wins() {
        let definitions = [
            definition("/payments/special", &[Method::GET]),
            definition("/payments/**", &[]),
            definition("/**", &[Method::POST]),
        ];
        let all = table(&definitions);
        assert_eq!(found(&all, &Method::GET, "/payments/special"), "/payments/special");
        assert_eq!(found(&all, &Method::HEAD, "/payments/special"), "/payments/special");
        assert_eq!(found(&all, &Method::PUT, "/payments/special"), "/payments/**");
        assert_eq!(found(&all, &Method::GET, "/payments"), "/payments/**");
        assert_eq!(found(&all, &Method::GET, "/other"), "POST");
        assert_eq!(found(&table(&definitions[..2]), &Method::GET, "/other"), "");
    }
}
