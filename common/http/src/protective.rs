//! What every answer says to a browser that gets it other than by `fetch`. JSON is not made to be looked at there.
//!
//! No `Referrer-Policy`: a document that loads nothing and leads nowhere sends none. No `X-Frame-Options`: `frame-ancestors`
//! says it. No `Strict-Transport-Security`: it is for whoever ends TLS to say.

/// Header fields in lower case, and their values; a handler that knows better may set them itself.
pub const FIELDS: [(&str, &str); 3] = [
    // Whatever a customer wrote is not taken for a page or a script.
    ("x-content-type-options", "nosniff"),
    // If it is shown all the same, it loads nothing, runs nothing and stands in nobody's frame.
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    // Somebody's reservations, true at this moment: not for a cache, neither a shared one nor that of a lent computer.
    ("cache-control", "no-store"),
];
