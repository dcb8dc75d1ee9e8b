use identity::Role;

/// The caller is known, and may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It needs this role, and the caller is no administrator either.
    #[error("This needs the role {0}.")]
    Role(Role),
    /// Ids are consecutive, so that it is no secret which of them exist.
    #[error("This belongs to another user.")]
    NotOwn,
}
