//! Steps and mutations are woven into a copy of the sources (`lab/faults/weave/*.toml`); the sources themselves have neither.
//!
//! A change names its file, the function, and a piece of text that stands there exactly once: where the sources change so
//! that it does not, weaving says so, and a test does before anything is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::Error;
use harness::binaries::workspace;
use serde::Deserialize;

const CHANGES: &str = "lab/faults/weave";
const STEP: &str = "failpoints::reach(\"";

/// One file of changes: those of a crate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    /// The crate's directory; it gets the dependency on `failpoints`.
    #[serde(rename = "crate")]
    directory: PathBuf,
    #[serde(default)]
    step: Vec<Change>,
    #[serde(default)]
    mutation: Vec<Change>,
    /// What makes a test build of it: shorter times, conversions of errors.
    #[serde(default)]
    edit: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Of a step or a mutation.
    name: Option<String>,
    /// Below the crate's directory.
    file: PathBuf,
    /// The function. Without it, the whole file.
    #[serde(rename = "in")]
    function: Option<String>,
    /// A line, or the beginnings of some, before which the text goes.
    before: Option<String>,
    /// The same, behind which it goes.
    after: Option<String>,
    /// What the text replaces. Without any of the three it goes to the end of the file.
    replace: Option<String>,
    /// A step's condition.
    when: Option<String>,
    #[serde(default)]
    text: String,
}

/// A step as it will stand in the copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub name: String,
    pub file: PathBuf,
    pub line: usize,
}

/// What the files in [`CHANGES`] make of the sources, by their path in the workspace.
pub struct Woven {
    pub files: BTreeMap<PathBuf, String>,
    pub steps: Vec<Step>,
    pub mutations: BTreeSet<String>,
}

impl Woven {
    /// # Errors
    /// A change that has no place any more, or two; a file that cannot be read.
    pub fn read() -> Result<Self, Error> {
        Self::of(true)
    }

    fn of(mutated: bool) -> Result<Self, Error> {
        let mut woven = Self { files: BTreeMap::new(), steps: Vec::new(), mutations: BTreeSet::new() };
        let directory = workspace().join(CHANGES);
        let failed = || Error::io(format!("reading {}", directory.display()));
        for entry in fs::read_dir(&directory).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = read(&path)?;
                let mut changes: Changes = toml::from_str(&text)
                    .map_err(|error| Error::unexpected(format!("{}: {error}", path.display())))?;
                changes.mutation.retain(|_| mutated);
                woven.apply(&changes)?;
            }
        }
        woven.steps.sort();
        match woven.steps.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(Error::unexpected(format!("two steps are named {}", pair[0].name))),
            None => Ok(woven),
        }
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), Error> {
        // Where two stand before the same line, the step is the nearer one.
        let kinds = [(&changes.edit, false), (&changes.mutation, false), (&changes.step, true)];
        let mut by_file: BTreeMap<PathBuf, Vec<(&Change, bool)>> = BTreeMap::new();
        for (list, is_step) in kinds {
            for change in list {
                by_file.entry(changes.directory.join(&change.file)).or_default().push((change, is_step));
            }
        }
        self.mutations.extend(changes.mutation.iter().filter_map(|change| change.name.clone()));
        for (file, changes) in by_file {
            let text = weave(&read(&workspace().join(&file))?, &changes)
                .map_err(|error| Error::unexpected(format!("{}: {error}", file.display())))?;
            for (index, line) in text.lines().enumerate() {
                if let Some(name) = step_in(line) {
                    self.steps.push(Step { name: name.to_owned(), file: file.clone(), line: index + 1 });
                }
            }
            self.files.insert(file, text);
        }
        let manifest = changes.directory.join("Cargo.toml");
        let failpoints = format!(
            "\nfailpoints.path = \"{}lab/failpoints\"\n",
            "../".repeat(changes.directory.components().count())
        );
        let text = read(&workspace().join(&manifest))?.replacen(
            "\n[dependencies]\n",
            &format!("\n[dependencies]{failpoints}"),
            1,
        );
        self.files.insert(manifest, text);
        Ok(())
    }
}

/// The step that a line reaches.
pub fn step_in(line: &str) -> Option<&str> {
    line.split_once(STEP)?.1.split('"').next()
}

/// The text with all changes, each of whose places is looked for in the text as it was.
fn weave(text: &str, changes: &[(&Change, bool)]) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut replaced: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let mut inserted: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (change, is_step) in changes {
        let new = if *is_step { reach(change) } else { change.text.trim_end().to_owned() };
        let name = change.name.as_deref().unwrap_or("an edit");
        let place = |anchor: &str| {
            place(&lines, change.function.as_deref(), anchor)
                .map_err(|count| format!("{name}: {anchor:?} is there {count} times, not once"))
        };
        match (&change.before, &change.after, &change.replace) {
            (Some(anchor), None, None) => inserted.entry(place(anchor)?).or_default().push(new),
            (None, Some(anchor), None) => {
                let behind = place(anchor)? + anchor.trim().lines().count();
                inserted.entry(behind).or_default().push(new);
            }
            (None, None, Some(old)) => {
                let line = place(old)?;
                replaced[line] = replaced[line].replacen(old.as_str(), &new, 1);
            }
            (None, None, None) => inserted.entry(lines.len()).or_default().push(new),
            _ => return Err(format!("{name}: more than one of before, after and replace")),
        }
    }
    let mut woven = String::with_capacity(text.len());
    for index in 0..=lines.len() {
        for new in inserted.get(&index).into_iter().flatten() {
            woven += new;
            woven.push('\n');
        }
        if let Some(line) = replaced.get(index) {
            woven += line;
            woven.push('\n');
        }
    }
    Ok(woven)
}

fn reach(step: &Change) -> String {
    let name = step.name.as_deref().unwrap_or_default();
    let when = step.when.as_ref().map(|when| format!("{when} && ")).unwrap_or_default();
    format!(
        "if {when}let Some(injected) = ::{STEP}{name}\") {{ return Err(::core::convert::From::from(injected)); }}"
    )
}

/// The one line, in the function if there is one, that begins what the anchor's lines say; else how many there are.
fn place(lines: &[&str], function: Option<&str>, anchor: &str) -> Result<usize, usize> {
    let wanted: Vec<&str> = anchor.trim().lines().map(str::trim).collect();
    let said = |at: usize| {
        wanted.iter().enumerate().all(|(offset, wanted)| {
            lines
                .get(at + offset)
                .is_some_and(|line| line.contains(wanted) && !line.trim_start().starts_with("//"))
        })
    };
    let found: Vec<usize> = match function {
        None => (0..lines.len()).filter(|line| said(*line)).collect(),
        Some(function) => bodies(lines, function).into_iter().flatten().filter(|line| said(*line)).collect(),
    };
    match found.as_slice() {
        [line] => Ok(*line),
        _ => Err(found.len()),
    }
}

/// From a function's line to the brace that closes it, which stands as far in as `fn`, as rustfmt has it.
fn bodies(lines: &[&str], function: &str) -> Vec<std::ops::Range<usize>> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let begins = |line: &str| {
        let rest = line.split_once(&format!("fn {function}")).map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.starts_with(['(', '<'])) && !line.trim_start().starts_with("//")
    };
    let body = |at: usize| {
        let end = (at..lines.len())
            .find(|line| lines[*line].trim_end() == format!("{}}}", " ".repeat(depth(lines[at]))));
        at..end.unwrap_or(lines.len())
    };
    (0..lines.len()).filter(|at| begins(lines[*at])).map(body).collect()
}

/// Writes the copy below `directory`; what is there already and as it should be stays untouched, so that cargo knows it.
///
/// # Errors
/// As [`Woven::read`]; a file that cannot be written.
pub fn write(directory: &Path) -> Result<(), Error> {
    let woven = Woven::read()?;
    let names = listed()?;
    for name in &names {
        let (from, to) = (workspace().join(name), directory.join(name));
        let text = match woven.files.get(name) {
            Some(text) => text.clone().into_bytes(),
            // What is deleted and not committed is listed, and not there.
            None => match fs::read(&from) {
                Ok(bytes) => bytes,
                Err(_) => continue,
            },
        };
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        let parent = to.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(Error::io(format!("creating {}", parent.display())))?;
        fs::write(&to, text).map_err(Error::io(format!("writing {}", to.display())))?;
    }
    remove_others(directory, Path::new(""), &names)
}

/// What was there once would still be compiled: tests and migrations are found by their place.
fn remove_others(tree: &Path, below: &Path, names: &BTreeSet<PathBuf>) -> Result<(), Error> {
    let directory = tree.join(below);
    let failed = || Error::io(format!("tidying {}", directory.display()));
    for entry in fs::read_dir(&directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = below.join(entry.file_name());
        if entry.file_type().map_err(failed())?.is_dir() {
            remove_others(tree, &name, names)?;
        } else if !names.contains(&name) || !workspace().join(&name).exists() {
            fs::remove_file(entry.path()).map_err(failed())?;
        }
    }
    Ok(())
}

/// The sources, as git knows them: also what is not committed yet.
fn listed() -> Result<BTreeSet<PathBuf>, Error> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io("starting git"))?;
    if !listed.status.success() {
        return Err(Error::unexpected("git does not list the sources"));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// cargo, in an up-to-date copy of the sources that has the steps and the mutations; libraries of others are shared with the workspace.
///
/// # Errors
/// As [`write()`].
pub fn cargo() -> Result<Command, Error> {
    let tree = workspace().join("target/woven");
    write(&tree)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", workspace().join("target"));
    }
    command.current_dir(tree);
    Ok(command)
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(Error::io(format!("reading {}", file.display())))
}

#[cfg(test)]
mod effects;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "impl A {\n    fn a(&self) {\n        one();\n        two();\n    }\n    fn b(&self) {\n        two();\n    }\n}\n";

    fn change(function: Option<&str>, before: &str) -> Change {
        Change {
            name: Some("a.step".to_owned()),
            file: PathBuf::new(),
            function: function.map(str::to_owned),
            before: Some(before.to_owned()),
            after: None,
            replace: None,
            when: None,
            text: "three();".to_owned(),
        }
    }

    #[test]
    fn a_change_goes_where_its_anchor_stands_in_its_function() {
        let woven = weave(TEXT, &[(&change(Some("b"), "two();"), false)]);
        let expected = TEXT.replacen("b(&self) {\n", "b(&self) {\nthree();\n", 1);
        assert_eq!(woven, Ok(expected));
        let two_lines = weave(TEXT, &[(&change(None, "one();\ntwo();"), true)]);
        assert!(two_lines.is_ok_and(|text| text.lines().nth(2).and_then(step_in) == Some("a.step")));
    }

    #[test]
    fn an_anchor_that_is_not_there_exactly_once_is_an_error() {
        for (function, before) in [(None, "two();"), (Some("a"), "three();"), (Some("c"), "two();")] {
            assert!(weave(TEXT, &[(&change(function, before), false)]).is_err(), "{function:?} {before}");
        }
    }

    #[test]
    fn every_change_has_its_place_in_the_sources() {
        let woven = Woven::read().map(|woven| (woven.steps.len(), woven.mutations.len()));
        assert!(woven.as_ref().is_ok_and(|(steps, mutations)| *steps >= 60 && *mutations >= 15), "{woven:?}");
    }
}
