//! Path predicates: `/x`, `/x/*`, `/x/{id}/y`, `/x/**`.

/// Matches a path, segment by segment, in upper and lower case as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing but this.
    Exact,
    /// `/x/**`: the length of `/x`.
    Below(usize),
    /// Anything with a wildcard for one segment.
    Segments { segments: Vec<Option<String>>, more: bool },
}

impl Pattern {
    /// # Errors
    /// Says what is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("must begin with /");
        };
        let (rest, more) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').ok_or("** must be a whole segment")?, true),
            None => (rest, false),
        };
        if rest.contains("**") {
            return Err("** must be the last segment");
        }
        let mut segments = Vec::new();
        for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
            segments.push(match segment {
                "*" => None,
                "." | ".." => return Err("must not contain . or .. as a segment"),
                name if name.starts_with('{') && name.ends_with('}') => None,
                name if name.contains(['*', '{', '}']) => {
                    return Err("* and {name} must be whole segments");
                }
                name if name.contains(['?', '#', '%', ';', '\\']) => {
                    return Err("must not contain ? # % ; or \\");
                }
                name => Some(name.to_owned()),
            });
        }
        if text.contains("//") {
            return Err("must not contain //");
        }
        let kind = match (segments.iter().all(Option::is_some), more) {
            (true, false) => Kind::Exact,
            (true, true) => Kind::Below(text.len() - "/**".len()),
            (false, more) => Kind::Segments { segments, more },
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Below(length) => {
                let (path, prefix) = (path.as_bytes(), &self.text.as_bytes()[..*length]);
                path.starts_with(prefix) && matches!(path.get(*length), None | Some(b'/'))
            }
            Kind::Segments { segments, more } => {
                let mut path = path.split('/').skip(1);
                segments.iter().all(|wanted| match (wanted, path.next()) {
                    (_, None) => false,
                    (None, Some(found)) => !found.is_empty(),
                    (Some(wanted), Some(found)) => wanted == found,
                }) && (*more || path.next().is_none())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn table() {
        for (pattern, matching, other) in [
            ("/x/**", &["/x", "/x/", "/x/1", "/x/1/2"][..], &["/", "/xy", "/X", "/x1/2", "/y/x"][..]),
            ("/**", &["/", "/x", "/x/y"], &[]),
            ("/x", &["/x"], &["/x/", "/x/1", "/"]),
            ("/", &["/"], &["/x"]),
            ("/x/*", &["/x/1"], &["/x", "/x/", "/x/1/2"]),
            ("/x/{id}/y/**", &["/x/1/y", "/x/1/y/2"], &["/x/1", "/x//y"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for path in matching {
                assert!(parsed.matches(path), "{pattern} {path}");
            }
            for path in other {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn refuses_what_it_would_not_match_as_meant() {
        for wrong in ["", "x", "/x**", "/**/x", "/x*", "/{a", "/x/../y", "/x//y", "/x;y", "/%2f"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
