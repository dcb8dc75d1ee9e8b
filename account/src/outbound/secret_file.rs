//! The secret of a service that nobody gave one: made at random at the first start, in a file that its user alone can read.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::use_cases::random::random;

/// The secret beside this SQLite database. Whoever comes first makes it.
///
/// # Errors
/// The file cannot be made or read.
pub fn beside(database_url: &str) -> io::Result<Zeroizing<String>> {
    let file = database_url.strip_prefix("sqlite://").unwrap_or(database_url);
    let file = file.split('?').next().unwrap_or(file);
    let path = PathBuf::from(format!("{file}.secret"));
    if !path.exists() {
        make(&path)?;
    }
    let text = Zeroizing::new(fs::read_to_string(&path)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Written elsewhere and then linked, so that nobody reads half of it and the first one wins.
fn make(path: &PathBuf) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let own = path.with_extension(format!("secret-{}", hex(&random::<8>()).as_str()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own)?;
    let written = file.write_all(hex(&random::<32>()).as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&own, path));
    fs::remove_file(&own)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn all_who_start_at_once_have_the_same_secret() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/data/account.db?mode=rwc", directory.path().display());
        let secrets: HashSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| beside(&url).unwrap().to_string())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets.iter().next().unwrap().len(), 64);
        let files: Vec<_> = fs::read_dir(directory.path().join("data")).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let mode = files[0].as_ref().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
