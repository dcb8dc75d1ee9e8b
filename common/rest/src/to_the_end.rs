//! Handlers that are not dropped half-way.

use std::{future::Future, panic::resume_unwind, pin::Pin};

use actix_web::Handler;
use telemetry::Scope;
use tracing::Instrument;

use http_common::Problem;

use crate::failure::Failure;

/// Makes a handler that changes something a task of its own once its arguments are there.
///
/// actix-web drops a handler when the client resets the connection, and the server drops it when the time limit of the request
/// is over. Neither is a reason to stop between a payment and its record: the answer is lost, the work is done.
pub fn to_the_end<F>(handler: F) -> ToTheEnd<F> {
    ToTheEnd(handler)
}

/// See [`to_the_end`].
#[derive(Clone)]
pub struct ToTheEnd<F>(F);

impl<F, Args> Handler<Args> for ToTheEnd<F>
where
    F: Handler<Args>,
    F::Future: 'static,
    F::Output: 'static,
{
    type Output = Result<F::Output, Failure>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, args: Args) -> Self::Future {
        let work = Scope::current().run(self.0.call(args).in_current_span());
        let task = actix_web::rt::spawn(work);
        Box::pin(async move {
            task.await.map_err(|ended| match ended.try_into_panic() {
                // Handled where all panics are.
                Ok(panic) => resume_unwind(panic),
                Err(_) => Problem::unavailable("The service is stopping.", 1).into(),
            })
        })
    }
}
