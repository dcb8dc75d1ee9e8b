use std::sync::Arc;

use storage::StoreError;

use super::ports::FamilyStore;
use crate::domain::RefreshToken;

pub struct SignOut {
    pub families: Arc<dyn FamilyStore>,
}

impl SignOut {
    /// Ends the family of the token, whichever of its tokens it is. The user, if there was one.
    ///
    /// # Errors
    /// The store's.
    pub async fn execute(&self, shown: &RefreshToken) -> Result<Option<i64>, StoreError> {
        let Some(family) = self.families.find(&shown.selector_hash()).await? else { return Ok(None) };
        self.families.end(family.id).await?;
        Ok(Some(family.user_id))
    }
}
