use serde::Serialize;

use crate::field_error::FieldError;
use crate::fields::Fields;

/// A type of facts: what one service tells the others about something that happened.
pub trait Fact: Serialize + Sized {
    /// The name of the type, for instance `PaymentCreated`.
    const TYPE: &'static str;
    /// The service that tells it.
    const PRODUCER: &'static str;
    const TOPIC: Topic;
    /// What the thing has become by this fact. It follows from the type, so no fact can contradict its own name.
    const STATUS: &'static str;

    /// The key of the record: all facts of one key lie in one partition, in order.
    fn key(&self) -> String;

    /// Counts the changes of the thing that the fact is about; the newer fact wins.
    fn version(&self) -> i64;

    /// Reads what any release has written: fields that a later release added have a default.
    ///
    /// # Errors
    /// What is missing, or cannot be true.
    fn read(fields: &Fields<'_>) -> Result<Self, FieldError>;
}

/// Where facts lie in the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The settings may give the topic another name in the log.
    pub name: &'static str,
    /// What the key of its records is.
    pub key: &'static str,
}
