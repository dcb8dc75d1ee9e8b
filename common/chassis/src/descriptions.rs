//! What the metrics of outbox, consumer and tokens mean, for whoever reads `/actuator/prometheus`.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// To be called before any of them is recorded.
pub(crate) fn describe() {
    describe_gauge!("outbox_depth", "Facts committed and not yet acknowledged by the log");
    describe_gauge!("outbox_oldest_age_seconds", "Age of the oldest fact that the log has not acknowledged");
    describe_gauge!(
        "outbox_held",
        "Facts that the log refused for reasons of their own, and those behind them"
    );
    describe_counter!("outbox_refused_total", "Facts that the log refused, by the log's own code");
    describe_counter!("outbox_published_total", "Facts that the log acknowledged");
    describe_counter!(
        "consumer_unreadable_batches_total",
        "Compressed batches that were passed: damaged, or too large for a reader's memory"
    );
    describe_gauge!("consumer_lag_records", "Records of a partition that are not processed yet");
    describe_gauge!(
        "consumer_group_other_databases",
        "Other databases that share the consumer group, and with it the facts"
    );
    describe_counter!("consumer_records_total", "Records processed");
    describe_gauge!(
        "consumer_stopped",
        "1 for a partition that is not read because the log is not the one that was read"
    );
    describe_gauge!(
        "consumer_deleted_unread_records",
        "Records of a stopped partition that were deleted before they were read"
    );
    describe_counter!(
        "consumer_offsets_without_record_total",
        "Offsets that have no record: markers of transactions, or compaction"
    );
    describe_counter!(
        "consumer_tombstones_total",
        "Records without a value, which say nothing and are passed"
    );
    describe_counter!("auth_token_checks_total", "Tokens looked at, by whether the cache knew them");
    describe_counter!("auth_tokens_refused_total", "Requests whose token did not hold, by reason");
    describe_counter!("auth_key_fetches_total", "How often the keys of tokens were asked for, by outcome");
    describe_histogram!(
        "auth_ban_known_seconds",
        "From the moment account told a ban, or its end, until this process knew it"
    );
    describe_counter!(
        "auth_bans_unreadable_total",
        "Facts about bans that could not be read and have no effect"
    );
    describe_gauge!("auth_keys", "Keys that tokens may be signed with, as far as the service knows");
    describe_gauge!(
        "dead_letters",
        "Records set aside (dead), and those of the same keys that wait (waiting)"
    );
}
