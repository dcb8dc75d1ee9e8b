//! What brokers refuse is told from brokers that cannot.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::log::{BoxError, PublishError, Refusal, RefusalScope};

pub(super) fn unacknowledged(cause: impl Into<BoxError>) -> PublishError {
    PublishError::Unacknowledged(cause.into())
}

pub(super) fn failure(error: KafkaError) -> PublishError {
    match error.rdkafka_error_code().and_then(|code| Some((code, refusal_scope(code)?))) {
        Some((code, scope)) => {
            let (name, text) = (format!("{code:?}"), code.to_string());
            // librdkafka says the name once more in front of its text.
            let reason = text.strip_prefix(&name).unwrap_or(&text).trim_matches([' ', '(', ')']).to_owned();
            PublishError::Refused(Refusal { code: name, reason, scope })
        }
        None => unacknowledged(error),
    }
}

/// Whether it is a refusal. librdkafka itself repeats what a broker can get over, so that a broker's answer which
/// arrives here is one; a code that nobody knows yet holds one record, where the opposite would stop everybody.
fn refusal_scope(code: RDKafkaErrorCode) -> Option<RefusalScope> {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed => Some(RefusalScope::Topic),
        // The topic has fewer partitions than it had: it was made anew, or is just being made.
        Code::UnknownPartition => Some(RefusalScope::Record),
        Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::ClusterAuthorizationFailed
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::ConcurrentTransactions
        | Code::KafkaStorageError
        | Code::LogDirNotFound
        | Code::UnknownProducerId
        | Code::ReassignmentInProgress
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::StaleBrokerEpoch => None,
        // What is below are librdkafka's own: no broker has spoken.
        answered if answered as i32 >= Code::Unknown as i32 => Some(RefusalScope::Record),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brokers_refuse_is_told_from_brokers_that_cannot() {
        use RDKafkaErrorCode as Code;
        for code in
            [Code::MessageSizeTooLarge, Code::InvalidTimestamp, Code::InvalidRecord, Code::PolicyViolation]
        {
            assert_eq!(refusal_scope(code), Some(RefusalScope::Record), "{code}");
        }
        for code in [Code::UnknownTopic, Code::UnknownTopicOrPartition, Code::TopicAuthorizationFailed] {
            assert_eq!(refusal_scope(code), Some(RefusalScope::Topic), "{code}");
        }
        for code in [
            Code::MessageTimedOut,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::Fatal,
            Code::NotLeaderForPartition,
            Code::NotEnoughReplicas,
            Code::OutOfOrderSequenceNumber,
        ] {
            assert_eq!(refusal_scope(code), None, "{code}");
        }
    }
}
