//! What every answer says to a browser that gets it other than by `fetch`. JSON is not made to be looked at there.
//!
//! No `Referrer-Policy`: a document that loads nothing and leads nowhere sends none. No `X-Frame-Options`: `frame-ancestors`
//! says it. No `Strict-Transport-Security`: it is for whoever ends TLS to say.

/// Header fields in lower case, and their values; a handler that knows better may set them itself.
pub const FIELDS: [(&str, &str); 3] = [
    // A browser must not take a customer's text for a page or a script.
    ("x-content-type-options", "nosniff"),
    // A browser that shows it all the same loads nothing, runs no script and allows no frame.
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    // An answer shows a customer's reservations as they are now. No cache may keep it, neither a shared one nor the browser's.
    ("cache-control", "no-store"),
];
