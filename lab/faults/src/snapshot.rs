//! What lies in the databases, on the topic and in the card network's ledger, read as an auditor would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Once;

use messaging::ReceivedRecord;
use sqlx::any::{AnyRow, install_default_drivers};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use crate::orders::{CARD, DECLINED_CARD};
use crate::poison;
use harness::ground::LEDGER;
use harness::topic::Place;
use harness::{Error, Ground, Service};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    pub price: i64,
    pub status: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub price: i64,
    pub reservation: String,
    pub payment: String,
    pub receipt: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: String,
    pub amount: i64,
}

/// A record of one of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    /// CloudEvents' source and id, which name it however often it is told.
    pub name: String,
    pub kind: String,
    pub reservation: i64,
    pub version: i64,
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub reservations: BTreeMap<i64, Priced>,
    pub keys: BTreeMap<String, i64>,
    pub payments: BTreeMap<i64, Priced>,
    pub receipts: BTreeMap<i64, Priced>,
    pub view: BTreeMap<i64, View>,
    pub ledger: BTreeMap<String, Vec<Entry>>,
    pub facts: Vec<Fact>,
    /// Name, what the counter says, what is counted.
    pub totals: Vec<(String, i64, i64)>,
    /// What is still on its way: outboxes, dead letters, records not consumed.
    pub unfinished: Vec<String>,
    /// Where a card's number was found.
    pub cards: Vec<String>,
}

/// Services, patterns of the counters of their rows, and the rows.
const TOTALS: [(Service, &str, &str); 6] = [
    (Service::Prereservation, "reservation", "reservation WHERE status <> 'reservation_cancelled'"),
    (Service::Payment, "payment", "payment WHERE status = 'paid'"),
    (Service::Receipt, "receipt", "receipt WHERE status = 'receipt_issued'"),
    (Service::Myreservation, "my_reservation", "my_reservation"),
    (Service::Myreservation, "my_reservation#10#%", "my_reservation"),
    (Service::Myreservation, "my_reservation#16#%", "my_reservation"),
];

impl Snapshot {
    /// # Errors
    /// A database's, the log's.
    pub async fn take(ground: &Ground) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        let mut reservations = Reader::open(ground, "prereservation").await?;
        snapshot.reservations = reservations.priced("SELECT id, price, status FROM reservation").await?;
        for row in reservations.rows("SELECT key, reservation_id FROM idempotency_key").await? {
            snapshot.keys.insert(row.get(0), row.get(1));
        }
        let mut payments = Reader::open(ground, "payment").await?;
        snapshot.payments = payments.priced("SELECT reservation_id, price, status FROM payment").await?;
        let mut receipts = Reader::open(ground, "receipt").await?;
        snapshot.receipts = receipts.priced("SELECT reservation_id, price, status FROM receipt").await?;
        let mut view = Reader::open(ground, "myreservation").await?;
        let columns = "SELECT id, price, COALESCE(reservation_status, ''), COALESCE(payment_status, ''), \
                       COALESCE(receipt_status, '') FROM my_reservation";
        for row in view.rows(columns).await? {
            let (reservation, payment, receipt) = (row.get(2), row.get(3), row.get(4));
            snapshot.view.insert(row.get(0), View { price: row.get(1), reservation, payment, receipt });
        }
        let mut ledger = Reader::open(ground, LEDGER).await?;
        for row in ledger.rows("SELECT idempotency_key, kind, amount FROM ledger_entry ORDER BY id").await? {
            let entry = Entry { kind: row.get(1), amount: row.get(2) };
            snapshot.ledger.entry(row.get(0)).or_default().push(entry);
        }
        let records = Place::of(ground).read(&ground.event_log.topic).await?;
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        for record in records {
            ends.insert(record.partition, record.offset + 1);
            snapshot.facts.extend(fact(record));
        }
        for (service, reader) in [
            (Service::Prereservation, &mut reservations),
            (Service::Payment, &mut payments),
            (Service::Receipt, &mut receipts),
            (Service::Myreservation, &mut view),
        ] {
            snapshot.look_for_unfinished(service, reader, &ends).await?;
        }
        Ok(snapshot)
    }

    async fn look_for_unfinished(
        &mut self,
        service: Service,
        reader: &mut Reader,
        ends: &BTreeMap<i32, i64>,
    ) -> Result<(), Error> {
        let name = service.name();
        for table in ["outbox", "dead_letter"] {
            let rows = reader.number(&format!("SELECT COUNT(*) FROM {table}")).await?;
            if rows > 0 {
                self.unfinished.push(format!("{name}: {rows} rows in {table}"));
            }
        }
        let text = "SELECT CAST(log_partition AS BIGINT), next_offset FROM inbox_position";
        let positions: BTreeMap<i64, i64> =
            reader.rows(text).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        // prereservation reads nothing.
        if service != Service::Prereservation {
            for (partition, end) in ends {
                let next = positions.get(&i64::from(*partition)).copied().unwrap_or_default();
                if next < *end {
                    self.unfinished.push(format!("{name}: partition {partition} at {next} of {end}"));
                }
            }
        }
        for (_, counter, rows) in TOTALS.iter().filter(|(of, ..)| *of == service) {
            let counted = format!(
                "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM row_count WHERE name LIKE '{counter}'"
            );
            let said = reader.number(&counted).await?;
            let there = reader.number(&format!("SELECT COUNT(*) FROM {rows}")).await?;
            self.totals.push(((*counter).to_owned(), said, there));
        }
        Ok(())
    }

    /// Looks for card numbers in everything that was written: files and logs of the run, tables, topics.
    ///
    /// # Errors
    /// A database's, the log's, a file's.
    pub async fn look_for_cards(&mut self, ground: &Ground) -> Result<(), Error> {
        self.files(ground.directory())?;
        let main = &ground.event_log.topic;
        for topic in std::iter::once(main).chain(&ground.dead_letter_topics()) {
            for record in Place::of(ground).read(topic).await.unwrap_or_default() {
                self.shown(&record.record.payload, || format!("topic {topic}, offset {}", record.offset));
            }
        }
        if ground.stage().infra.is_none() {
            return Ok(());
        }
        for name in ground.databases().keys() {
            let mut reader = Reader::open(ground, name).await?;
            let tables = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'";
            for table in reader.rows(tables).await? {
                let table: String = table.get(0);
                for row in reader.rows(&format!("SELECT CAST(t AS TEXT) FROM {table} t")).await? {
                    self.shown(row.get::<String, _>(0).as_bytes(), || {
                        format!("database {name}, table {table}")
                    });
                }
            }
        }
        Ok(())
    }

    fn files(&mut self, directory: &Path) -> Result<(), Error> {
        let failed = || Error::io(format!("reading {}", directory.display()));
        for entry in std::fs::read_dir(directory).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if path.is_dir() {
                self.files(&path)?;
            } else {
                let bytes = std::fs::read(&path).map_err(failed())?;
                self.shown(&bytes, || path.display().to_string());
            }
        }
        Ok(())
    }

    fn shown(&mut self, bytes: &[u8], place: impl Fn() -> String) {
        // The standard library's search of text is fast in a debug build too, and databases are large.
        let text = String::from_utf8_lossy(bytes);
        for card in [CARD, DECLINED_CARD] {
            let groups: Vec<&str> = (0..4).map(|group| &card[4 * group..4 * group + 4]).collect();
            let spellings = [card.to_owned(), groups.join("-"), groups.join(" ")];
            if spellings.iter().any(|spelling| text.contains(spelling)) {
                self.cards.push(place());
            }
        }
    }
}

/// Records of others, and those that were put there to disturb, are none.
fn fact(received: ReceivedRecord) -> Option<Fact> {
    let record = received.record;
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    if header(poison::HEADER).is_some() {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&record.payload).unwrap_or_default();
    let kind = value["eventType"].as_str().unwrap_or_default().to_owned();
    let field = if kind.starts_with("Reservation") { "id" } else { "preReservationId" };
    Some(Fact {
        partition: received.partition,
        offset: received.offset,
        key: record.key.clone().unwrap_or_default(),
        name: format!("{}/{}", header("ce_source").unwrap_or_default(), header("ce_id").unwrap_or_default()),
        reservation: value[field].as_i64().unwrap_or_default(),
        version: value["version"].as_i64().unwrap_or_default(),
        kind,
        payload: record.payload,
    })
}

/// Reads one database, as it is.
pub(super) struct Reader(AnyConnection, String);

impl Reader {
    pub(super) async fn open(ground: &Ground, name: &str) -> Result<Self, Error> {
        Self::at(ground.database(name).unwrap_or_default(), name).await
    }

    pub(super) async fn at(url: &str, name: &str) -> Result<Self, Error> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        let connection = AnyConnection::connect(url).await.map_err(Error::sql(format!("opening {name}")))?;
        Ok(Self(connection, name.to_owned()))
    }

    pub(super) async fn rows(&mut self, text: &str) -> Result<Vec<AnyRow>, Error> {
        // Texts are our own; names of tables come from the database.
        sqlx::query(AssertSqlSafe(text.to_owned()))
            .fetch_all(&mut self.0)
            .await
            .map_err(Error::sql(format!("reading {}", self.1)))
    }

    pub(super) async fn ids(&mut self, text: &str) -> Result<Vec<i64>, Error> {
        Ok(self.rows(text).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn priced(&mut self, text: &str) -> Result<BTreeMap<i64, Priced>, Error> {
        let rows = self.rows(text).await?;
        let priced = |row: &AnyRow| (row.get(0), Priced { price: row.get(1), status: row.get(2) });
        Ok(rows.iter().map(priced).collect())
    }

    pub(super) async fn number(&mut self, text: &str) -> Result<i64, Error> {
        let rows = self.rows(text).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }
}
