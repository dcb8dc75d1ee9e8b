//! `GET /myReservations/{id}/timeline`: what happened to a reservation.

use actix_web::HttpResponse;
use actix_web::web::Data;
use http_common::Problem;
use rest::{Answer, Base, Caller, Date, Id};
use serde::Serialize;
use utoipa::ToSchema;

use super::min_version::Wanted;
use crate::domain::{Facet, Timeline, TimelineStep};
use crate::use_cases::show_timeline::ShowTimeline;

#[utoipa::path(
    get, path = "/myReservations/{id}/timeline", tag = "myReservations",
    params(("id" = i64, Path, description = "the pre-reservation's"), Wanted),
    responses(
        (status = 200, body = TimelineDocument, content_type = "application/hal+json"),
        (status = 403, description = "it belongs to another user", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "nothing is known of it (yet)", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn timeline(
    caller: Caller,
    base: Base,
    id: Id,
    _: Wanted,
    timelines: Data<ShowTimeline>,
) -> Answer {
    let timeline = timelines.execute(&caller.0, id.0).await?.ok_or_else(Problem::not_found)?;
    let document = TimelineDocument::new(&base, timeline);
    Ok(HttpResponse::Ok().content_type(base.media.as_str()).json(document))
}

/// The saga of a reservation: its steps, cancelled and compensated ones too.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimelineDocument {
    /// The pre-reservation's.
    id: i64,
    /// `open`, `completed`, `compensating` or `cancelled`.
    #[schema(example = "completed")]
    outcome: &'static str,
    started_at: Date,
    /// Of the last step, once the saga is finished.
    ended_at: Option<Date>,
    duration_ms: Option<i64>,
    /// The facts that an unfinished saga waits for.
    waiting_for: Vec<&'static str>,
    cancel_reason: Option<String>,
    cancel_detail: Option<String>,
    steps: Vec<StepDocument>,
    #[serde(rename = "_links")]
    #[schema(value_type = Object)]
    links: Links,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepDocument {
    #[schema(example = "PaymentCreated")]
    step: &'static str,
    /// The service that took it.
    #[schema(example = "payment")]
    service: &'static str,
    /// What reservation, payment or receipt became by it.
    #[schema(example = "paid")]
    outcome: &'static str,
    version: i64,
    at: Date,
    /// Since the reservation was asked for.
    after_ms: i64,
    /// Since the step before.
    duration_ms: i64,
    /// How often the service tried, where it says so.
    attempts: Option<i64>,
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Links {
    #[serde(rename = "self")]
    this: Link,
    my_reservation: Link,
}

#[derive(Serialize)]
struct Link {
    href: String,
}

impl TimelineDocument {
    fn new(base: &Base, timeline: Timeline) -> Self {
        let item = format!("{}/myReservations/{}", base.origin(), timeline.reservation_id);
        let (cancel_reason, cancel_detail) = timeline
            .cancellation
            .map_or((None, None), |cancellation| (Some(cancellation.reason), cancellation.detail));
        Self {
            id: timeline.reservation_id,
            outcome: timeline.outcome.as_str(),
            started_at: Date(timeline.started_at),
            ended_at: timeline.ended_at.map(Date),
            duration_ms: timeline.ended_at.map(|ended| ended.saturating_sub(timeline.started_at)),
            waiting_for: timeline.waiting_for.into_iter().map(|fact| fact.as_str()).collect(),
            cancel_reason,
            cancel_detail,
            steps: timeline.steps.into_iter().map(StepDocument::from).collect(),
            links: Links {
                this: Link { href: format!("{item}/timeline") },
                my_reservation: Link { href: item },
            },
        }
    }
}

impl From<TimelineStep> for StepDocument {
    fn from(TimelineStep { step, after_ms, duration_ms }: TimelineStep) -> Self {
        Self {
            step: step.status.fact_type(),
            service: Facet::of(step.status).producer(),
            outcome: step.status.as_str(),
            version: step.version,
            at: Date(step.at_ms),
            after_ms,
            duration_ms,
            attempts: step.attempts,
            trace_id: step.trace_id,
        }
    }
}
