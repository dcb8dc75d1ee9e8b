//! Who else reads in our group: replicas have our database, and another deployment has one of its own. Then each database
//! gets a part of the facts, and none gets all.

use std::time::Duration;

use tokio::time::Instant;

use super::reader::Reader;
use crate::handler::Handler;
use crate::log::Subscription;

const ASK_EVERY: Duration = Duration::from_secs(10);

impl<H: Handler> Reader<H> {
    pub(super) async fn watch_the_group(&mut self, subscription: &mut dyn Subscription) {
        if let Some(asked) = self.company.asked.take_if(|asked| asked.is_finished()) {
            match asked.await {
                Ok(Ok(others)) => self.found(others),
                Ok(Err(error)) => tracing::debug!(%error, "who else is in the group is not known"),
                Err(gone) => tracing::debug!(error = %gone, "who else is in the group is not known"),
            }
            return;
        }
        let due = self.company.last.is_none_or(|last| last.elapsed() >= ASK_EVERY);
        if due && self.company.asked.is_none() {
            self.company.last = Some(Instant::now());
            self.company.asked = Some(tokio::spawn(subscription.other_databases()));
        }
    }

    fn found(&self, others: Vec<String>) {
        let (group, topic) = (self.consumer.group, &self.consumer.topic);
        metrics::gauge!("consumer_group_other_databases", "application" => group, "topic" => topic.clone())
            .set(others.len() as f64);
        let warnings = others.into_iter().map(|other| {
            format!(
                "consumer group {group} is shared with database {other}: each gets a part of the facts only"
            )
        });
        for warning in self.consumer.status.warn(warnings.collect()) {
            tracing::warn!("{warning}");
        }
    }
}
