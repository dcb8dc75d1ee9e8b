//! The obligations of the event log's port, held against both adapters.
//!
//! The local log is always tested. Kafka is tested when `TEST_KAFKA_BROKERS` names brokers
//! (`eval "$(infra/up)"` sets it); without it the run says that only the local log was covered.
#![allow(clippy::unwrap_used)]

mod bombs;
mod groups;
mod kafka_alone;
mod local_alone;
mod publishing;
mod rig;
mod tails;

macro_rules! contract {
    ($($module:ident::$case:ident),+ $(,)?) => {
        contract!(@on local: $($module::$case),+);
        contract!(@on kafka: $($module::$case),+);
    };
    (@on $backend:ident: $($module:ident::$case:ident),+) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(rig) = crate::rig::$backend() {
                        let leftovers = rig.leftovers();
                        crate::$module::$case(rig).await;
                        leftovers.delete().await;
                    }
                }
            )+
        }
    };
}

contract!(
    publishing::a_record_comes_back_as_it_was,
    publishing::records_of_a_key_keep_their_order,
    publishing::a_large_batch_is_published_and_read,
    publishing::publishers_at_the_same_time_do_not_disturb_each_other,
    publishing::a_record_that_cannot_be_in_the_log_is_rejected_and_its_key_waits,
    publishing::records_survive_the_process,
    publishing::nothing_is_published_after_the_close,
    publishing::nothing_to_publish_is_no_problem,
    groups::a_new_group_starts_at_the_earliest_record,
    groups::groups_know_nothing_of_each_other,
    groups::a_group_reads_several_topics_and_mixes_nothing,
    groups::reading_starts_where_the_subscriber_seeks,
    groups::a_seek_back_delivers_again,
    groups::the_next_subscriber_starts_where_the_group_committed,
    groups::a_look_shows_bounds_and_records_and_disturbs_nobody,
    groups::lag_is_the_distance_to_the_end,
    groups::a_partition_has_one_subscriber_at_a_time,
    groups::a_poll_without_records_ends_after_its_wait,
    groups::a_waiting_poll_sees_a_new_record_at_once,
    groups::a_dropped_poll_loses_nothing,
    groups::a_topic_may_be_created_after_the_subscription,
    tails::a_tail_has_all_that_is_not_older_and_then_all_that_comes,
    tails::what_is_told_late_comes_too,
    tails::a_tail_of_nothing_has_caught_up,
    tails::tails_disturb_neither_each_other_nor_a_group,
    tails::a_dropped_poll_of_a_tail_loses_nothing,
    tails::a_waiting_tail_sees_a_new_record_at_once,
    tails::a_follower_knows_what_was_told_while_nobody_followed,
    tails::a_follower_waits_for_its_topic,
);
