//! The component `diskSpace`, as in Spring Boot.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::json;

use super::health::{Health, HealthCheck};
use crate::management::DiskSpaceSettings;

/// Down before the disk is full: then there is still room to act.
pub struct DiskSpace {
    /// The one with the least space speaks for all.
    paths: Vec<PathBuf>,
    threshold: u64,
}

struct Space {
    total: u64,
    free: u64,
}

impl DiskSpace {
    /// `files` are the directories in which the process keeps them; without one, and where the settings name none, it is
    /// the working directory.
    #[must_use]
    pub fn new(settings: &DiskSpaceSettings, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut paths: Vec<_> = if settings.path.as_os_str().is_empty() {
            files.into_iter().map(absolute).collect()
        } else {
            vec![absolute(settings.path.clone())]
        };
        if paths.is_empty() {
            paths.push(absolute(PathBuf::from(".")));
        }
        paths.dedup();
        Self { paths, threshold: settings.threshold }
    }
}

#[async_trait]
impl HealthCheck for DiskSpace {
    fn name(&self) -> &'static str {
        "diskSpace"
    }

    async fn check(&self) -> Health {
        let (paths, threshold) = (self.paths.clone(), self.threshold);
        // A disk that does not answer must not keep a thread that serves.
        let asked = tokio::task::spawn_blocking(move || {
            paths.iter().map(|path| health(path, threshold)).min_by_key(|(free, _)| *free)
        });
        match asked.await {
            Ok(Some((_, health))) => health,
            Ok(None) | Err(_) => Health::down("the disk was not asked"),
        }
    }
}

fn health(path: &Path, threshold: u64) -> (u64, Health) {
    let space = space(path).unwrap_or(Space { total: 0, free: 0 });
    let health = if space.free >= threshold {
        Health::up()
    } else if !path.exists() {
        Health::down(format!("'{}' is not there", path.display()))
    } else {
        Health::down(format!("{} bytes are free, fewer than {threshold}", space.free))
    };
    let health = health
        .with("total", json!(space.total))
        .with("free", json!(space.free))
        .with("threshold", json!(threshold))
        .with("path", path.display().to_string())
        .with("exists", path.exists());
    (space.free, health)
}

/// What this process may use, which is less than what root may.
fn space(path: &Path) -> std::io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
