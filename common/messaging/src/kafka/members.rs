//! Who is in a consumer group: each member says in its `client.id` which topic it reads into which database.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use super::config::Logs;

const PATIENCE: Duration = Duration::from_secs(10);

/// Ours.
#[derive(Clone)]
pub(super) struct Member {
    group: String,
    /// A member that reads another topic in the same group takes no records from us.
    prefix: String,
    database: String,
}

impl Member {
    pub(super) fn new(topic: &str, group: &str, database: &str) -> Self {
        Self { group: group.to_owned(), prefix: format!("{topic}.{group}@"), database: database.to_owned() }
    }

    pub(super) fn client_id(&self) -> String {
        format!("{}{}", self.prefix, self.database)
    }

    /// Blocks. Uses a client of its own, because the answer would wait behind a fetch.
    pub(super) fn other_databases(&self, config: &ClientConfig) -> Result<Vec<String>, KafkaError> {
        let consumer: BaseConsumer<Logs> = config.create_with_context(Logs::of("members"))?;
        let groups = consumer.fetch_group_list(Some(&self.group), PATIENCE)?;
        let members = groups.groups().iter().flat_map(|group| group.members());
        Ok(self.others(members.map(|member| (member.client_id(), member.client_host()))))
    }

    /// From client ids and hosts. A client id of another form, of an older release or from the settings, is ignored.
    fn others<'a>(&self, members: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let mut hosts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (client_id, host) in members {
            if let Some(database) = client_id.strip_prefix(&self.prefix)
                && database != self.database
            {
                hosts.entry(database).or_default().insert(host.trim_start_matches('/'));
            }
        }
        let line = |(database, hosts): (&str, BTreeSet<&str>)| {
            format!("{database} at {}", hosts.into_iter().collect::<Vec<_>>().join(", "))
        };
        hosts.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_database_that_is_read_into_from_the_same_topic_is_named() {
        let ours = Member::new("facts", "receipt", "0000000a");
        let another = Member::new("facts", "receipt", "0000000b").client_id();
        let another_topic = Member::new("others", "receipt", "0000000c").client_id();
        let replica = ours.client_id();
        let members = [
            (replica.as_str(), "/10.0.0.1"),
            (replica.as_str(), "/10.0.0.2"),
            (another.as_str(), "/10.0.0.4"),
            (another.as_str(), "/10.0.0.3"),
            (another_topic.as_str(), "/10.0.0.5"),
            ("rdkafka", "/10.0.0.6"),
        ];
        assert_eq!(ours.others(members.into_iter()), ["0000000b at 10.0.0.3, 10.0.0.4"]);
        assert!(ours.others(members.into_iter().take(2)).is_empty());
    }
}
