//! What a user may be. A set of roles is one byte, because every request carries one.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Customer,
    Merchant,
    Courier,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Customer, Self::Merchant, Self::Courier, Self::Admin];

    /// As in tokens and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Merchant => "merchant",
            Self::Courier => "courier",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles; a list of names in JSON. A name that this version does not know is passed over when it is read: it
/// gives no right here, and the other roles of the token hold.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), Self::with)
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::default().with(role)
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Roles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names of roles")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Roles, A::Error> {
        let mut roles = Roles::default();
        while let Some(name) = names.next_element::<String>()? {
            roles = Role::of_name(&name).map_or(roles, |role| roles.with(role));
        }
        Ok(roles)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_set_is_a_list_of_names() {
        let roles: Roles = [Role::Admin, Role::Customer, Role::Admin].into_iter().collect();
        let json = serde_json::to_string(&roles).unwrap();
        assert_eq!(json, r#"["customer","admin"]"#);
        assert_eq!(serde_json::from_str::<Roles>(&json).unwrap(), roles);
        assert!(roles.contains(Role::Admin) && !roles.contains(Role::Courier));
        for role in Role::ALL {
            assert_eq!(Role::of_name(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
    }

    #[test]
    fn an_unknown_name_gives_no_right() {
        let roles: Roles = serde_json::from_str(r#"["auditor","Admin","merchant"]"#).unwrap();
        assert_eq!(roles, Roles::from(Role::Merchant));
        assert!(serde_json::from_str::<Roles>(r#""admin""#).is_err());
    }
}
