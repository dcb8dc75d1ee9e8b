//! The header `X-Min-Version`: the token that a write answered with.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use http_common::Problem;
use utoipa::IntoParams;

use crate::use_cases::read_your_writes::{MinVersion, NotYet, ReadYourWrites};

const HEADER: &str = "x-min-version";

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the header in the OpenAPI document")]
pub(super) struct MinVersionHeader {
    /// The token that a write answered with, `<reservationId>.<version>`: the answer waits until it shows that write.
    #[param(
        rename = "X-Min-Version",
        required = false,
        pattern = "^0*[1-9][0-9]{0,17}\\.0*[1-9][0-9]{0,17}$",
        example = "7.1"
    )]
    min_version: Option<String>,
}

/// Extractor: the version that the reader wants to see at least. A token that cannot be read is answered 400.
pub(super) struct Wanted(Option<MinVersion>);

impl Wanted {
    /// Answers 503 if the view does not reach the version in time. It does not answer an older state, because the reader sent
    /// the token to exclude exactly that; a reader who accepts older states leaves the token out.
    pub(super) async fn wait(&self, readers: &ReadYourWrites) -> Result<(), Problem> {
        let Some(wanted) = self.0 else { return Ok(()) };
        readers.wait(wanted).await.map_err(|error| match error {
            NotYet::Behind => Problem::unavailable(
                "The view does not show the write that X-Min-Version names yet. Try again, or leave the header out.",
                1,
            ),
            NotYet::Crowded => Problem::unavailable(
                "Too many readers wait for their writes. Try again, or leave X-Min-Version out.",
                1,
            ),
            NotYet::Database(error) => super::problem(&error),
        })
    }
}

impl FromRequest for Wanted {
    type Error = rest::Failure;
    type Future = Ready<Result<Self, rest::Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(HEADER);
        let wanted = match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().ok().and_then(MinVersion::parse).map(Some).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        };
        ready(wanted.map(Self).map_err(|()| {
            Problem::bad_request(
                "X-Min-Version has to be one token, <reservationId>.<version>, as a write answered with.",
            )
            .into()
        }))
    }
}
