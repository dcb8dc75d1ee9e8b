//! librdkafka, with a bound on what a compressed batch may become in memory.
//!
//! A batch of 300 kB on the topic can be 300 MB in the memory of whoever reads it, and no property of librdkafka limits
//! that: it takes the whole batch apart before anybody sees a record. The build script compiles the three sources of
//! librdkafka that do so once more, from the very copy that is linked, with a bound; the linker takes them in place of the
//! originals. A batch above the bound is an error that the reader gets, and the log is read on behind it.
//!
//! The build fails where a new version of librdkafka has changed those lines. ADR 9 says why not otherwise.

use {libz_sys as _, rdkafka_sys as _};
