//! What prereservation tells.

pub mod reason;

use envelope::{Fact, FieldError, Fields, Topic};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::purchase::Purchase;
use crate::topics::PRERESERVATION;

/// A reservation, as its facts tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
pub struct Reservation {
    /// The reservation; also the record's key.
    pub id: i64,
    #[cfg_attr(test, schemars(flatten))]
    pub purchase: Purchase,
    pub user_address: String,
    /// Masked: `****-****-****-1234`.
    pub card_no: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub modified_at: i64,
    /// Counts the changes of this reservation; the newer fact wins.
    #[cfg_attr(test, schemars(skip))]
    pub version: i64,
}

/// A smartphone is reserved and paid for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ReservationCreated(pub Reservation);

/// A reservation is over, by the customer or because its payment did not come about.
/// payment refunds on it, receipt withdraws.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationCancelled {
    #[serde(flatten)]
    pub reservation: Reservation,
    /// Machine code of the cause, for instance `payment_declined`; an open set.
    pub reason: String,
    /// For people: what happened, where there is more to say.
    pub detail: Option<String>,
}

impl Reservation {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            id: fields.count("id")?,
            purchase: Purchase::read(fields)?,
            user_address: fields.optional_text("userAddress")?.unwrap_or_default(),
            card_no: fields.optional_text("cardNo")?.unwrap_or_default(),
            created_at: fields.moment_or_told("createdAt")?,
            modified_at: fields.moment_or_told("modifiedAt")?,
            version: fields.version()?,
        })
    }
}

impl Serialize for Reservation {
    /// By hand, because on the wire the address stands between the fields of the purchase.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reservation", 9)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("userId", &self.purchase.user_id)?;
        fields.serialize_field("userAddress", &self.user_address)?;
        fields.serialize_field("productId", &self.purchase.product_id)?;
        fields.serialize_field("productName", &self.purchase.product_name)?;
        fields.serialize_field("price", &self.purchase.price)?;
        fields.serialize_field("cardNo", &self.card_no)?;
        fields.serialize_field("createdAt", &self.created_at)?;
        fields.serialize_field("modifiedAt", &self.modified_at)?;
        fields.end()
    }
}

facts! {
    "prereservation" tells in PRERESERVATION, by id:
    ReservationCreated(Reservation) = "reservated",
}

impl Fact for ReservationCancelled {
    const TYPE: &'static str = "ReservationCancelled";
    const PRODUCER: &'static str = "prereservation";
    const TOPIC: Topic = PRERESERVATION;
    const STATUS: &'static str = "reservation_cancelled";

    fn key(&self) -> String {
        self.reservation.id.to_string()
    }

    fn version(&self) -> i64 {
        self.reservation.version
    }

    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            reservation: Reservation::read(fields)?,
            reason: fields.optional_text("reason")?.unwrap_or_else(|| reason::UNSPECIFIED.to_owned()),
            detail: fields.optional_text("detail")?.filter(|detail| !detail.is_empty()),
        })
    }
}
