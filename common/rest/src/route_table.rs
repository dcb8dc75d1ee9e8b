//! Which route a path belongs to, known before the request is handled: so that a request that timed out, or whose handler
//! panicked, is counted under its route too, without asking actix-web for a pattern (and an allocation) each time.

use std::cell::RefCell;

thread_local! {
    /// Routes register themselves here while a worker builds its application.
    static DECLARED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Makes a path known, with its variables in braces: `/preReservations/{id}`. `**` at the end stands for any rest. The first
/// that fits counts. [`Collection`](crate::Collection) does it for resources; a route that is registered with actix-web directly has to
/// be declared, or it is counted with what is under no route.
pub fn declare(template: &str) {
    DECLARED.with_borrow_mut(|declared| declared.push(template.to_owned()));
}

/// The routes of one application.
#[derive(Debug, Default)]
pub(crate) struct RouteTable(Vec<String>);

/// What is under no route is counted together, or a scanner could make metrics without end.
const UNKNOWN: &str = "NOT_FOUND";

impl RouteTable {
    /// Runs the code that registers routes, and keeps what it declared.
    pub(crate) fn collect(register: impl FnOnce()) -> Self {
        DECLARED.take();
        register();
        Self(DECLARED.take())
    }

    /// The route of a path, as a small number.
    pub(crate) fn find(&self, path: &str) -> usize {
        self.0.iter().position(|template| matches(template, path)).unwrap_or(self.0.len())
    }

    pub(crate) fn template(&self, index: usize) -> &str {
        self.0.get(index).map_or(UNKNOWN, String::as_str)
    }
}

pub(crate) fn matches(template: &str, path: &str) -> bool {
    if template == path {
        return true;
    }
    // One slash at the end is forgiven, two are another path.
    let path = path.strip_suffix('/').filter(|rest| !rest.ends_with('/')).unwrap_or(path);
    let mut wanted = template.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("**"), Some(_)) => return true,
            (Some(variable), Some(_)) if variable.starts_with('{') => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_route() {
        let table = RouteTable::collect(|| {
            for template in ["/x/search", "/x/search/findByUserId", "/x", "/x/{id}", "/", "/actuator/**"] {
                declare(template);
            }
        });
        for (path, template) in [
            ("/x", "/x"),
            ("/x/", "/x"),
            ("/x/7", "/x/{id}"),
            ("/x/search", "/x/search"),
            ("/x/search/findByUserId", "/x/search/findByUserId"),
            ("/x/search/other", UNKNOWN),
            ("/", "/"),
            ("//", UNKNOWN),
            ("/x//", UNKNOWN),
            ("/y", UNKNOWN),
            ("/x/7/8", UNKNOWN),
            ("/actuator/health/liveness", "/actuator/**"),
        ] {
            assert_eq!(table.template(table.find(path)), template, "{path}");
        }
    }
}
