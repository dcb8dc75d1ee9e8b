//! The services, listed once: deployment, gateway and `preorder` are held against this list (`tests/services.rs`).

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Prereservation,
    Payment,
    Receipt,
    Myreservation,
    Account,
    Gateway,
}

struct Entry {
    /// The binary's, the package's, the container's, the database's and the consumer group's.
    name: &'static str,
    port: u16,
    /// What it serves, which is its route at the gateway.
    collection: Option<&'static str>,
    consumes: bool,
}

impl Service {
    pub const ALL: [Self; 6] = [
        Self::Prereservation,
        Self::Payment,
        Self::Receipt,
        Self::Myreservation,
        Self::Account,
        Self::Gateway,
    ];
    pub const WITH_STATE: [Self; 5] =
        [Self::Prereservation, Self::Payment, Self::Receipt, Self::Myreservation, Self::Account];
    /// Those that know reservations, and show them to everybody in mode `open`.
    pub const OF_RESERVATIONS: [Self; 4] =
        [Self::Prereservation, Self::Payment, Self::Receipt, Self::Myreservation];

    const fn entry(self) -> Entry {
        let (name, port, collection, consumes) = match self {
            Self::Prereservation => ("prereservation", 8082, Some("preReservations"), false),
            Self::Payment => ("payment", 8081, Some("payments"), true),
            Self::Receipt => ("receipt", 8083, Some("receipts"), true),
            Self::Myreservation => ("myreservation", 8084, Some("myReservations"), true),
            Self::Account => ("account", 8085, Some("users"), false),
            Self::Gateway => ("gateway", 8088, None, false),
        };
        Entry { name, port, collection, consumes }
    }

    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Where it listens unless it is told otherwise.
    pub fn port(self) -> u16 {
        self.entry().port
    }

    /// # Panics
    /// The gateway has none of its own.
    pub fn collection(self) -> &'static str {
        self.entry().collection.expect("only the gateway has no collection")
    }

    pub fn has_database(self) -> bool {
        self.entry().collection.is_some()
    }

    /// Whether it reads the topic.
    pub fn consumes(self) -> bool {
        self.entry().consumes
    }
}
