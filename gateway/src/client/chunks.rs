//! Where the chunks of a body may end.

/// Their last bytes.
#[derive(Default)]
pub(super) struct Tail([u8; 4]);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let tail = &mut self.0;
        let new = &bytes[bytes.len().saturating_sub(tail.len())..];
        tail.rotate_left(new.len());
        let old = tail.len() - new.len();
        tail[old..].copy_from_slice(new);
    }

    /// An empty line ends the trailers of the last chunk. It may also stand in a chunk.
    pub(super) fn may_be_the_end(&self) -> bool {
        self.0 == *b"\r\n\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_over_several_pieces() {
        let mut tail = Tail::default();
        for piece in ["0", "\r\n", "", "\r", "\n"] {
            assert!(!tail.may_be_the_end());
            tail.push(piece.as_bytes());
        }
        assert!(tail.may_be_the_end());
        tail.push(b"longer than that");
        assert_eq!(&tail.0, b"that");
    }
}
