//! The text of a token, and its digest.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Tokens made here begin like this, which tells them from other credentials, and lets scanners for leaked secrets find them.
pub const TOKEN_PREFIX: &str = "weir_";

/// Characters after the prefix; 62^43 is just above 2^256.
const RANDOM_CHARS: usize = 43;
/// Letters and digits only: a double click selects the whole token, and no carrier has to escape it.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Shortest token that an operator may choose. The digest is a fast one, so the token must not be guessable.
const GIVEN_CHARS_MIN: usize = 16;
/// Longest token that an operator may choose, and the longest that is looked at.
pub(crate) const CHARS_MAX: usize = 512;

/// The text of a token. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text cannot be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Too short or too long.
    #[error(
        "a token has {GIVEN_CHARS_MIN} to {CHARS_MAX} characters, this one has {0}; make one with `weir token create`"
    )]
    Length(usize),
    /// Not printable ASCII, or a blank.
    #[error(
        "a token holds printable ASCII characters without blanks; this one holds something else at character {0}"
    )]
    Character(usize),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

impl Secret {
    /// A new random token.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn random() -> Result<Self, SecretError> {
        let mut text = String::with_capacity(TOKEN_PREFIX.len() + RANDOM_CHARS);
        text.push_str(TOKEN_PREFIX);
        let mut left = RANDOM_CHARS;
        let mut bytes = [0_u8; 64];
        while left > 0 {
            getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
            // 248 = 4 * 62: the bytes above would make the first letters likelier.
            for byte in bytes.iter().filter(|b| **b < 248).take(left) {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
                left -= 1;
            }
        }
        Ok(Self(text))
    }

    /// A token that somebody chose. White space around it is cut off, since it often comes from a file.
    ///
    /// # Errors
    /// [`SecretError`] when it is too short, too long, or not printable ASCII.
    pub fn given(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if let Some(at) = text.chars().position(|c| !c.is_ascii_graphic()) {
            return Err(SecretError::Character(at + 1));
        }
        if !(GIVEN_CHARS_MIN..=CHARS_MAX).contains(&text.len()) {
            return Err(SecretError::Length(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text itself, to be shown once or compared.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            hex.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            hex.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
            hex
        })
    }

    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn random_tokens_are_long_differ_and_need_no_escaping() {
        let a = Secret::random().unwrap();
        let b = Secret::random().unwrap();
        assert_ne!(a, b);
        let tail = a.reveal().strip_prefix(TOKEN_PREFIX).unwrap();
        assert_eq!(tail.len(), RANDOM_CHARS);
        assert!(tail.chars().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(Secret::given(a.reveal()), Ok(a));
    }

    #[test]
    fn chosen_tokens_are_trimmed_and_checked() {
        assert_eq!(Secret::given(" 0123456789abcdef\n").unwrap().reveal(), "0123456789abcdef");
        assert_eq!(Secret::given("short"), Err(SecretError::Length(5)));
        assert_eq!(Secret::given("0123456789 abcdef"), Err(SecretError::Character(11)));
        assert_eq!(Secret::given(&"x".repeat(600)), Err(SecretError::Length(600)));
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        assert_eq!(format!("{:?}", Secret::given("0123456789abcdef").unwrap()), "Secret([redacted])");
    }

    #[test]
    fn the_digest_is_sha_256() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of("abc").to_hex(), hex);
        assert_eq!(Digest::from_hex(hex), Some(Digest::of("abc")));
    }

    proptest! {
        #[test]
        fn from_hex_never_panics(text in ".{0,70}") {
            let _ = Digest::from_hex(&text);
        }
    }
}
