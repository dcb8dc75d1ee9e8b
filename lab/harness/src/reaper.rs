//! No process survives who started it, even if that is killed: a shell of a few lines holds the other end of a pipe, and
//! when the pipe closes it kills whatever is left and removes the directories.
//!
//! The kernel could do it too (`PR_SET_PDEATHSIG`), but it goes by the thread that started a process, and threads of a
//! runtime end before their process does.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids=" "; dirs=
while read -r what value; do
  case "$what" in
    started) pids="$pids$value " ;;
    ended) pids="${pids%% "$value" *} ${pids#* "$value" }" ;;
    directory) dirs="$dirs $value" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2> /dev/null; done
for dir in $dirs; do rm -rf "$dir"; done
"#;

static REAPER: Mutex<Option<Child>> = Mutex::new(None);

/// A process that dies with this one; until this is dropped, which is right once the process has been waited for.
#[derive(Debug)]
pub struct Watched(u32);

impl Watched {
    pub fn new(pid: u32) -> Self {
        tell(&format!("started {pid}\n"));
        Self(pid)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell(&format!("ended {}\n", self.0));
    }
}

/// Paths come from `tempfile`: without spaces.
pub fn owns(directory: &Path) {
    tell(&format!("directory {}\n", directory.display()));
}

fn tell(line: &str) {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    let child = reaper.get_or_insert_with(|| {
        Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Who kills the whole group means us, not who cleans up behind us.
            .process_group(0)
            .spawn()
            .expect("a shell can be started")
    });
    let pipe = child.stdin.as_mut().expect("it was asked for");
    pipe.write_all(line.as_bytes()).expect("the shell reads on");
}
