//! Whether the file that is open is still the one that stands at its path.
//!
//! A deleted file stays usable for the processes that have it open, but all that they write is lost when they end.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as it was when it was opened.
#[derive(Clone, Debug)]
pub struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("'{}' was deleted, moved or replaced while it was open; what is written now would be lost", path.display())]
pub struct FileGone {
    path: PathBuf,
}

impl OpenFile {
    /// # Errors
    /// There is no such file.
    pub fn at(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// The write-ahead log of a SQLite file that somebody has open.
    ///
    /// # Errors
    /// There is none.
    pub fn wal_of(database: &Path) -> io::Result<Self> {
        // SQLite follows symbolic links first.
        let mut path = database.canonicalize()?.into_os_string();
        path.push("-wal");
        Self::at(Path::new(&path))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One system call.
    ///
    /// # Errors
    /// It is not there any more, or another one is.
    pub fn check(&self) -> Result<(), FileGone> {
        use io::ErrorKind::{NotADirectory, NotFound, StaleNetworkFileHandle};
        let is_there = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata.dev() == self.device && metadata.ino() == self.inode,
            // A directory that may not be searched any more says nothing about the file.
            Err(error) => !matches!(error.kind(), NotFound | NotADirectory | StaleNetworkFileHandle),
        };
        if is_there { Ok(()) } else { Err(FileGone { path: self.path.clone() }) }
    }
}

impl From<FileGone> for sqlx::Error {
    fn from(gone: FileGone) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::NotFound, gone))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_is_deleted_moved_or_replaced_is_gone() {
        let directory = new_directory();
        let path = directory.join("a.db");
        std::fs::write(&path, "1").unwrap();
        let open = OpenFile::at(&path).unwrap();
        std::fs::write(&path, "2").unwrap();
        assert!(open.check().is_ok());

        let aside = directory.join("b.db");
        std::fs::rename(&path, &aside).unwrap();
        assert!(open.check().unwrap_err().to_string().contains("a.db"));
        std::fs::copy(&aside, &path).unwrap();
        assert!(open.check().is_err());
        std::fs::rename(&aside, &path).unwrap();
        assert!(open.check().is_ok());
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(open.check().is_err());
        std::fs::write(&directory, "a file in the directory's place").unwrap();
        assert!(open.check().is_err());
        std::fs::remove_file(&directory).unwrap();
    }

    fn new_directory() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("open-file-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        directory
    }
}
