//! Whose fault an error is: the database's (retry, for ever) or the statement's (it will fail again).

/// True where the database is away, busy or shutting down, so that the same statement may succeed later.
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

fn is_unavailable_code(code: &str) -> bool {
    if code.len() == 5 {
        // 08 connection, 25006 read only (fail-over), 40 serialisation and deadlock, 53 resources,
        // 55P03 lock not available, 57P0x shutting down or starting, 58 system, 28/3D while it is being set up.
        return ["08", "25006", "40", "53", "55P03", "57P", "57014", "58"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // BUSY, LOCKED, IOERR, FULL, CANTOPEN, PROTOCOL; extended codes keep the primary one in the low byte.
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14 | 15))
}

/// True where a row with the same unique key exists already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_nobodys_fault() {
        for code in ["08006", "40001", "53300", "57P01", "57P03", "5", "261", "13"] {
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
