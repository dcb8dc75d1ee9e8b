//! What has to be so before a collection is read.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use crate::failure::Failure;

/// An extractor that answers when the collection may be read, or refuses. It describes the header fields that it reads.
pub trait ReadCondition: FromRequest<Error = Failure> + IntoParams + 'static {}

impl<C: FromRequest<Error = Failure> + IntoParams + 'static> ReadCondition for C {}

/// Nothing has to be waited for.
pub struct AtOnce;

impl IntoParams for AtOnce {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

impl FromRequest for AtOnce {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self))
    }
}
