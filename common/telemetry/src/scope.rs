//! What is known about the work that is running: whose it is, and which request or record caused it.

use std::sync::{Arc, OnceLock};

use crate::TraceContext;

tokio::task_local! {
    static CURRENT: Scope;
}

/// The service that `init` was called for.
static SERVICE: OnceLock<&'static str> = OnceLock::new();

/// Carried by a task, shown in its log lines. Costs a few moves per poll and no allocation.
///
/// A spawned task starts without one; hand it on:
/// ```
/// # async fn work() {}
/// # async fn f() {
/// tokio::spawn(telemetry::Scope::current().run(work()));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub(crate) application: Option<&'static str>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) request_id: Option<Arc<str>>,
}

impl Scope {
    /// The scope of the running task, or an empty one.
    pub fn current() -> Scope {
        CURRENT.try_with(Scope::clone).unwrap_or_default()
    }

    /// Names the service whose work this is, where several share a process.
    #[must_use]
    pub fn with_application(self, application: &'static str) -> Scope {
        Scope { application: Some(application), ..self }
    }

    #[must_use]
    pub fn with_trace(self, trace: TraceContext) -> Scope {
        Scope { trace: Some(trace), ..self }
    }

    #[must_use]
    pub fn with_request_id(self, request_id: impl Into<Arc<str>>) -> Scope {
        Scope { request_id: Some(request_id.into()), ..self }
    }

    /// The service whose work this is: named here, or else by `init`.
    pub fn application(&self) -> Option<&'static str> {
        self.application.or_else(service)
    }

    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Runs the future in this scope.
    pub fn run<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Runs a function in this scope, for instance on a blocking thread.
    pub fn run_blocking<R>(self, work: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, work)
    }

    /// Reads the current scope without cloning it; an empty one outside of any.
    pub(crate) fn with_current<R>(mut read: impl FnMut(&Scope) -> R) -> R {
        match CURRENT.try_with(|scope| read(scope)) {
            Ok(result) => result,
            Err(_) => read(&Scope::default()),
        }
    }
}

impl TraceContext {
    /// The context of the work that is running now, if it was given one by [`scope`](Self::scope).
    pub fn current() -> Option<TraceContext> {
        Scope::with_current(|scope| scope.trace)
    }

    /// Runs the future with this context as the current one. A spawned task does not inherit it; see [`Scope`].
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        Scope::current().with_trace(self).run(future)
    }
}

pub(crate) fn service() -> Option<&'static str> {
    SERVICE.get().copied()
}

pub(crate) fn set_service(service: &'static str) {
    SERVICE.get_or_init(|| service);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_added_joins_what_is_there() {
        let trace = TraceContext::new_root();
        let request = Scope::default().with_application("payment").with_request_id("r-1");
        block_on(request.run(async {
            trace
                .scope(async {
                    let scope = Scope::current();
                    assert_eq!(scope.application(), Some("payment"));
                    assert_eq!(scope.request_id(), Some("r-1"));
                    assert_eq!(scope.trace(), Some(trace));
                    assert_eq!(TraceContext::current(), Some(trace));
                })
                .await;
            assert_eq!(TraceContext::current(), None);
        }));
        assert_eq!(Scope::current().request_id(), None);
    }

    #[test]
    fn a_spawned_task_gets_what_it_is_handed() {
        let scope = Scope::default().with_request_id("r-1");
        block_on(scope.run(async {
            let alone = tokio::spawn(async { Scope::current().request_id().is_none() });
            assert!(alone.await.unwrap());
            let handed = async { Scope::current().request_id().map(str::to_owned) };
            let handed = tokio::spawn(Scope::current().run(handed));
            assert_eq!(handed.await.unwrap().as_deref(), Some("r-1"));
            let scope = Scope::current();
            let blocking = move || scope.run_blocking(|| Scope::current().request_id().is_some());
            assert!(tokio::task::spawn_blocking(blocking).await.unwrap());
        }));
    }
}
