//! Who may charge: prereservation alone. Anybody else could take the number of a reservation that is still to come,
//! and its customer would find it paid by a stranger.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use http_common::Problem;
use http_common::internal::{self, InternalSettings};

/// Tells prereservation from everybody else.
pub struct Callers(InternalSettings);

impl Callers {
    pub fn new(settings: InternalSettings) -> Self {
        Self(settings)
    }

    /// The rule in force, for the log.
    pub fn rule(&self) -> &'static str {
        match self.0.is_empty() {
            true => "internal.token is empty: whoever reaches this loopback address may charge",
            false => "only who sends internal.token may charge",
        }
    }

    fn may_charge(&self, token: Option<&[u8]>) -> bool {
        self.0.is_empty() || self.0.accepts(token)
    }
}

/// Extracted before the body, so that a stranger's card is not even read.
pub(super) struct MayCharge;

impl FromRequest for MayCharge {
    type Error = rest::Failure;
    type Future = Ready<Result<Self, rest::Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // A second header would leave open which one counts.
        let mut tokens = request.headers().get_all(internal::HEADER);
        let token = tokens.next().filter(|_| tokens.next().is_none()).map(|value| value.as_bytes());
        let callers = request.app_data::<Data<Callers>>();
        ready(match callers.is_some_and(|callers| callers.may_charge(token)) {
            true => Ok(Self),
            false => {
                tracing::warn!(
                    peer = ?request.peer_addr(),
                    with_token = token.is_some(),
                    "a charge was refused: internal.token is missing or not the one expected here"
                );
                Err(Problem::new(403)
                    .detail("Only prereservation may charge. This request charged nothing.")
                    .into())
            }
        })
    }
}
