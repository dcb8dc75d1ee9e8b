use envelope::Topic;

/// What the services tell of reservations.
pub const PRERESERVATION: Topic = Topic { name: "prereservation", key: "The reservation's id as text." };
