use std::sync::Arc;

use super::cookies::Cookies;
use crate::use_cases::administer::Administer;
use crate::use_cases::key_ring::KeyRing;
use crate::use_cases::ports::UserStore;
use crate::use_cases::refresh::Refresh;
use crate::use_cases::sign_in::SignIn;
use crate::use_cases::sign_out::SignOut;
use crate::use_cases::sign_up::SignUp;

/// What clients can ask for.
pub struct UseCases {
    pub sign_up: SignUp,
    pub sign_in: SignIn,
    pub sign_out: SignOut,
    pub refresh: Refresh,
    pub administer: Administer,
    pub users: Arc<dyn UserStore>,
    pub keys: Arc<KeyRing>,
    pub cookies: Cookies,
    pub max_age: MaxAge,
}

/// How long the public keys may be kept, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge(pub u32);
