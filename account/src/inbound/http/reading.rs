//! Who may read users: administrators all of them, everybody else himself. Also in mode open nobody else does: addresses are
//! nobody's business.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use http_common::Problem;
use rest::{Caller, Failure, Id};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

pub(super) struct MayRead;

impl FromRequest for MayRead {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Failure>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = Caller::extract(request);
        // Of a list there is none.
        let asked = Id::extract(request).into_inner().ok().map(|Id(id)| id);
        Box::pin(async move {
            let Caller(caller) = caller.await?;
            match caller.user_id() {
                None => Err(Problem::unauthorized().into()),
                Some(own) if caller.is_admin() || asked == Some(own) => Ok(Self),
                Some(_) => Err(Problem::forbidden("Only an administrator may see other users.").into()),
            }
        })
    }
}

impl IntoParams for MayRead {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}
