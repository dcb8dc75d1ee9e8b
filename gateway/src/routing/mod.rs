//! Which route a request takes.

mod call;
mod paths;
mod pattern;

use http::Method;

pub(crate) use call::Call;
pub(crate) use paths::{canonical, is_actuator};
pub(crate) use pattern::Pattern;

/// A row of the route table, checked and compiled.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) pattern: Pattern,
    /// Empty: all of them.
    pub(crate) methods: Vec<Method>,
    /// Indices into the gateway's addresses.
    pub(crate) addresses: Vec<usize>,
    pub(crate) body_limit: u64,
    pub(crate) body_timeout_ms: u64,
    pub(crate) response_timeout_ms: u64,
    pub(crate) connect_timeout_ms: u64,
}

impl Route {
    /// What of a service's `Allow` is open from outside; `None`: all of it.
    pub(crate) fn narrowed(&self, allow: &str) -> Option<String> {
        if self.methods.is_empty() {
            return None;
        }
        let open = |name: &&str| Method::from_bytes(name.as_bytes()).is_ok_and(|method| self.opens(&method));
        let names: Vec<&str> = allow.split(',').map(str::trim).filter(open).collect();
        Some(names.join(", "))
    }

    fn opens(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            // Whoever may see the whole may see its head.
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// What the table says about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// The index of the route.
    Route(usize),
    /// Routes lead there, none for the method; these methods they have.
    OtherMethods(String),
    None,
}

/// The first route that matches the path and opens the method.
pub(crate) fn find(routes: &[Route], method: &Method, path: &str) -> Match {
    let mut others: Vec<&Method> = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        if route.pattern.matches(path) {
            if route.opens(method) {
                return Match::Route(index);
            }
            others.extend(&route.methods);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn route(path: &str, methods: &[Method]) -> Route {
        Route {
            id: path.to_owned(),
            pattern: Pattern::parse(path).unwrap(),
            methods: methods.to_vec(),
            addresses: vec![0],
            body_limit: 0,
            body_timeout_ms: 0,
            response_timeout_ms: 0,
            connect_timeout_ms: 0,
        }
    }

    #[test]
    fn the_first_match_wins() {
        let routes = [
            route("/payments/special", &[Method::GET]),
            route("/payments/**", &[]),
            route("/**", &[Method::POST]),
        ];
        let found = |method, path| find(&routes, &method, path);
        assert_eq!(found(Method::GET, "/payments/special"), Match::Route(0));
        assert_eq!(found(Method::HEAD, "/payments/special"), Match::Route(0));
        assert_eq!(found(Method::PUT, "/payments/special"), Match::Route(1));
        assert_eq!(found(Method::GET, "/payments"), Match::Route(1));
        assert_eq!(found(Method::GET, "/other"), Match::OtherMethods("POST".to_owned()));
        assert_eq!(find(&routes[..2], &Method::GET, "/other"), Match::None);
    }
}
