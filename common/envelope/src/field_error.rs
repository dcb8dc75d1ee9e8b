/// Why a field of a fact cannot be read. It names the field and never its value: a foreign producer may have put a card
/// number there, and the text ends in logs and dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("missing field `{0}`")]
    Missing(&'static str),
    #[error("{0} is there twice")]
    Twice(&'static str),
    #[error("{0} is not text")]
    NotText(&'static str),
    #[error("{0} is not a list of texts")]
    NotTexts(&'static str),
    /// PostgreSQL cannot store it.
    #[error("{0} contains the character NUL")]
    Nul(&'static str),
    #[error("{0} is not a whole number, nor the text of one")]
    NotWhole(&'static str),
    #[error("{field} is not within 1..={largest}")]
    OutOfRange { field: &'static str, largest: i64 },
    #[error("{0} is not within 1970 and 9999")]
    NoMoment(&'static str),
}
