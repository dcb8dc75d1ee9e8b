//! A row of the route table.

use std::{cell::Cell, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, header};

use super::pattern::Pattern;
use crate::{
    metrics::Series,
    upstream::{Address, Upstream},
};

/// The most addresses of one route. Each request holds the order of its tries in an array of this length.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// A row of the settings, checked and compiled. All workers share it.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) pattern: Pattern,
    /// Empty: all of them.
    pub(crate) methods: Vec<Method>,
    /// At least one, at most [`MAX_ADDRESSES`].
    pub(crate) addresses: Vec<Address>,
    pub(crate) body_limit: u64,
    pub(crate) body_timeout_ms: u64,
    pub(crate) response_timeout_ms: u64,
    pub(crate) connect_timeout_ms: u64,
}

/// A route with one worker's connections to its services.
pub(crate) struct Route {
    pub(crate) definition: Arc<Definition>,
    pub(crate) series: Series,
    upstreams: Vec<Rc<Upstream>>,
    /// The index of the upstream that the next request tries first.
    next: Cell<usize>,
}

/// The order in which one request tries the upstreams of its route.
pub(super) struct Turn {
    order: [u8; MAX_ADDRESSES],
    length: usize,
}

impl Route {
    /// `upstreams` are those of the definition's addresses.
    pub(crate) fn new(definition: Arc<Definition>, upstreams: Vec<Rc<Upstream>>) -> Rc<Self> {
        let series = Series::new(definition.pattern.as_str(), &definition.id);
        Rc::new(Self { definition, series, upstreams, next: Cell::new(0) })
    }

    /// Requests take the upstreams in turn. An upstream that is busy, refused lately or says that it stops comes last.
    pub(super) fn turn(&self) -> Turn {
        let length = self.upstreams.len().min(MAX_ADDRESSES);
        let start = self.next.get();
        self.next.set(if start + 1 < length { start + 1 } else { 0 });
        let mut order = NUMBERS;
        order[..length].rotate_left(start);
        order[..length].sort_by_key(|index| self.upstreams[usize::from(*index)].standing());
        Turn { order, length }
    }

    pub(super) fn upstream(&self, turn: &Turn, step: usize) -> Option<Rc<Upstream>> {
        let index = turn.order[..turn.length].get(step)?;
        self.upstreams.get(usize::from(*index)).cloned()
    }

    /// Reduces the `Allow` of a service, which names all its methods, to those that the route opens.
    pub(super) fn narrow_allow(&self, headers: &mut HeaderMap) {
        let Some(allow) = headers.get(header::ALLOW).and_then(|value| value.to_str().ok()) else { return };
        if let Some(narrowed) = self.definition.narrowed(allow)
            && let Ok(narrowed) = HeaderValue::from_str(&narrowed)
        {
            headers.insert(header::ALLOW, narrowed);
        }
    }
}

impl Turn {
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

/// 0, 1, 2, ...
const NUMBERS: [u8; MAX_ADDRESSES] = {
    let mut numbers = [0; MAX_ADDRESSES];
    let mut at = 0_u8;
    while (at as usize) < MAX_ADDRESSES {
        numbers[at as usize] = at;
        at += 1;
    }
    numbers
};

impl Definition {
    /// What of a service's `Allow` is open from outside; `None`: all of it.
    fn narrowed(&self, allow: &str) -> Option<String> {
        if self.methods.is_empty() {
            return None;
        }
        let open = |name: &&str| Method::from_bytes(name.as_bytes()).is_ok_and(|method| self.opens(&method));
        let names: Vec<&str> = allow.split(',').map(str::trim).filter(open).collect();
        Some(names.join(", "))
    }

    pub(super) fn opens(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            // Whoever may GET a resource may ask for its head.
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}
