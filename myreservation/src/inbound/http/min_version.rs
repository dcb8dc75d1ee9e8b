//! The header `X-Min-Version`: the token that a write answered with.

use std::future::ready;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures::future::LocalBoxFuture;
use http_common::Problem;
use rest::Failure;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

use crate::use_cases::read_your_writes::{MinVersion, NotYet, ReadYourWrites};

const HEADER: &str = "x-min-version";

/// Extractor: waits until the view has the version that the reader wants to see at least. A token that cannot be read is answered
/// 400. It answers 503 if the view does not reach the version in time, and not an older state, because the reader sent the token to
/// exclude exactly that; a reader who accepts older states leaves the token out.
pub(super) struct Wanted;

impl IntoParams for Wanted {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let token = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^0*[1-9][0-9]{0,17}\.0*[1-9][0-9]{0,17}$"))
            .examples(["7.1"]);
        let header = ParameterBuilder::new()
            .name("X-Min-Version")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The token that a write answered with, `<reservationId>.<version>`: the answer waits until it shows that write.",
            ))
            .schema(Some(token));
        vec![header.build()]
    }
}

impl FromRequest for Wanted {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(HEADER);
        let wanted = match (values.next(), values.next()) {
            (None, _) => return Box::pin(ready(Ok(Self))),
            (Some(value), None) => value.to_str().ok().and_then(MinVersion::parse),
            (Some(_), Some(_)) => None,
        };
        let readers = request.app_data::<Data<ReadYourWrites>>().cloned();
        Box::pin(async move {
            let wanted = wanted.ok_or_else(|| {
                Problem::bad_request(
                    "X-Min-Version has to be one token, <reservationId>.<version>, as a write answered with.",
                )
            })?;
            let readers = readers.ok_or_else(Problem::internal)?;
            readers.wait(wanted).await.map(|()| Self).map_err(refused)
        })
    }
}

fn refused(error: NotYet) -> Failure {
    let detail = match error {
        NotYet::Database(error) => return error.into(),
        NotYet::Behind => {
            "The view does not show the write that X-Min-Version names yet. Try again, or leave the header out."
        }
        NotYet::Crowded => "Too many readers wait for their writes. Try again, or leave X-Min-Version out.",
    };
    Problem::unavailable(detail, 1).into()
}
