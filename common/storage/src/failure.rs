//! Whose fault an error is: the database's (retry, for ever) or the statement's (it will fail again).

/// True where the database is away, busy, shutting down, damaged or set up wrongly: nothing of the statement's making,
/// and the same statement succeeds once somebody has put the database in order.
///
/// SQLSTATE classes from PostgreSQL's appendix A, result codes from <https://sqlite.org/rescode.html>.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_unavailable_code(&code)),
        _ => false,
    }
}

const POSTGRES_CLASSES: [&str; 14] = [
    "08",    // connection
    "25006", // read only: a fail-over
    "25P03", // ended because it was idle in a transaction
    "28",    // login refused
    "3D",    // no such database (yet)
    "40",    // serialisation, deadlock
    "42501", // a right is missing
    "53",    // memory, disk, connections
    "55P03", // lock not available
    "57014", // cancelled
    "57P",   // shutting down, starting
    "58",    // the system under it
    "F0",    // configuration
    "XX",    // damaged, or a defect of its own
];

const SQLITE_CODES: [i32; 12] = [
    3,  // PERM
    5,  // BUSY
    6,  // LOCKED
    7,  // NOMEM
    8,  // READONLY
    9,  // INTERRUPT
    10, // IOERR
    11, // CORRUPT
    13, // FULL
    14, // CANTOPEN
    15, // PROTOCOL
    26, // NOTADB
];

fn is_unavailable_code(code: &str) -> bool {
    if code.len() == 5 {
        return POSTGRES_CLASSES.iter().any(|class| code.starts_with(class));
    }
    // Extended codes keep the primary one in the low byte.
    code.parse::<i32>().is_ok_and(|code| SQLITE_CODES.contains(&(code & 0xff)))
}

/// True if the server cannot be reached or accepts no connections at the moment; a start may wait for it.
pub(crate) fn is_not_there_yet(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // cannot_connect_now, connection exceptions, too_many_connections.
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| ["57P03", "08", "53300"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}

/// True where the database rolled the transaction back because of another one at the same time: nothing of it is done, and
/// doing it again is the cure. Always [`is_unavailable`] as well.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    // serialization_failure and deadlock_detected, PostgreSQL's appendix A.
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "40001" || code == "40P01")
}

/// True where another process has a lock of SQLite's.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i32>().ok());
    // BUSY and LOCKED; extended codes keep the primary one in the low byte.
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// True where the role may not do what the statement does.
pub(crate) fn is_right_missing(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "42501")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_nobodys_fault() {
        for code in ["08006", "3D000", "40001", "53300", "57P01", "57P03", "5", "261", "13", "1032"] {
            assert!(is_unavailable_code(code), "{code}");
        }
    }

    #[test]
    fn a_statement_that_cannot_succeed_is_its_own_fault() {
        for code in ["23505", "22003", "42P01", "19", "2067", "1"] {
            assert!(!is_unavailable_code(code), "{code}");
        }
        assert!(!is_unavailable(&sqlx::Error::RowNotFound));
    }
}
