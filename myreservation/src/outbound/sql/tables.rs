/// The counter of all rows; `{TOTAL}/{outcome}` are those by outcome.
pub(super) const TOTAL: &str = "my_reservation";

/// The tables of a view: the live one's, or those being built beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) rows: &'static str,
    pub(super) steps: &'static str,
}

pub(super) const LIVE: Tables = Tables { rows: "my_reservation", steps: "my_reservation_step" };
pub(super) const SHADOW: Tables =
    Tables { rows: "my_reservation_shadow", steps: "my_reservation_step_shadow" };
