//! Text that must not be shown.

use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// A secret: it is wiped from memory when dropped, and printing, debugging or serialising it shows `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text as secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_in_any_way() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret} {secret:?} {:#?} {}", Some(&secret), serde_json::json!([secret]));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2");
    }
}
