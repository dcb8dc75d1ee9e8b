//! The request body: media type, size and time are checked before a byte of it is looked at.

use std::time::Duration;

use actix_web::{FromRequest, HttpRequest, dev::Payload, error::PayloadError, http::header};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, future::LocalBoxFuture};

use super::fields::Fields;
use http_common::Problem;

use crate::{failure::Failure, negotiation::check_content_type};

/// What a server accepts; set once by [`Server`](crate::Server).
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub bytes: usize,
    /// A client that sends more slowly gets 408.
    pub timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 65_536, timeout: Duration::from_secs(5) }
    }
}

/// Extractor: a JSON body, whole and of an acceptable size and type. What is in it has not been read yet.
#[derive(Clone, Debug)]
pub struct Body(Bytes);

impl Body {
    /// The bytes as they came, for a fingerprint of the request.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The fields of the JSON object, to be read and checked one by one.
    ///
    /// # Errors
    /// 400 when there is no body, it is no JSON, or no object.
    pub fn fields(&self) -> Result<Fields<'_>, Problem> {
        Fields::from_json(&self.0)
    }
}

impl FromRequest for Body {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data::<BodyLimits>().copied().unwrap_or_default();
        let accepted =
            check_content_type(request.headers()).and_then(|()| declared_size(request, limits.bytes));
        let payload = payload.take();
        Box::pin(async move {
            accepted?;
            match tokio::time::timeout(limits.timeout, read(payload, limits.bytes)).await {
                Ok(body) => Ok(Self(body?)),
                Err(_) => Err(Problem::new(408).into()),
            }
        })
    }
}

/// A body that says it is too large is refused before it is sent.
fn declared_size(request: &HttpRequest, limit: usize) -> Result<(), Problem> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    match declared {
        Some(length) if length > limit as u64 => Err(Problem::payload_too_large()),
        _ => Ok(()),
    }
}

async fn read(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let Some(first) = next_chunk(&mut payload, 0, limit).await? else {
        return Ok(Bytes::new());
    };
    // Almost always the first chunk is the whole body, and need not be copied.
    let Some(second) = next_chunk(&mut payload, first.len(), limit).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = next_chunk(&mut payload, whole.len(), limit).await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn next_chunk(payload: &mut Payload, so_far: usize, limit: usize) -> Result<Option<Bytes>, Problem> {
    match payload.next().await {
        None => Ok(None),
        Some(Ok(chunk)) if so_far + chunk.len() > limit => Err(Problem::payload_too_large()),
        Some(Ok(chunk)) => Ok(Some(chunk)),
        Some(Err(PayloadError::Overflow)) => Err(Problem::payload_too_large()),
        Some(Err(_)) => Err(Problem::bad_request("The request body could not be read to its end.")),
    }
}
