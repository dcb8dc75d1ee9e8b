use envelope::Topic;

/// What the services tell of reservations.
pub const PRERESERVATION: Topic = Topic { name: "prereservation", key: "The reservation's id as text." };

/// What account tells of users.
pub const ACCOUNT: Topic = Topic { name: "account", key: "The user's id as text." };
