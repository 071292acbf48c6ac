//! Secrets taken out of what drivers say.

use crate::config::DriverOptions;
use url::Url;

/// What stands in a secret's place.
const MASK: &str = "***";

/// Shorter ones are replaced only where they stand alone: every text has an `a` in it.
const ANYWHERE_LENGTH_MIN: usize = 4;

/// The secrets that a driver was told, each in every form in which it may say them.
#[derive(Debug, Default)]
pub(super) struct Scrub(Vec<crate::secret::Secret>);

impl Scrub {
    pub(super) fn new<'a>(options: impl IntoIterator<Item = &'a DriverOptions>) -> Self {
        let mut found: Vec<String> = Vec::new();
        for option in
            options.into_iter().flat_map(|options| options.values()).filter(|option| option.is_secret)
        {
            let value = option.value.expose();
            found.push(value.to_owned());
            found.extend(value.strip_prefix("Bearer ").map(str::to_owned));
            found.extend(within_url(value));
            // A key's lines: messages show the first of them.
            found.extend(value.lines().filter(|line| line.len() > 20).map(str::to_owned));
            found.extend(within_keywords(value));
        }
        // Both as they are and as they stand in a URL.
        let encoded: Vec<String> = found
            .iter()
            .map(|text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect())
            .collect();
        found.extend(encoded);
        found.retain(|text| !text.trim().is_empty());
        // The longer first: a part would leave the rest of the whole behind.
        found.sort_by_key(|text| std::cmp::Reverse(text.len()));
        found.dedup();
        Self(found.into_iter().map(crate::secret::Secret::new).collect())
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose();
            clean = if secret.len() >= ANYWHERE_LENGTH_MIN {
                clean.replace(secret, MASK)
            } else {
                replace_alone(&clean, secret)
            };
        }
        clean
    }
}

/// The password of a URL, as it is written there and as it is meant, and what its query has of such.
fn within_url(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(url) = Url::parse(value) {
        if let Some(password) = url.password() {
            found.push(password.to_owned());
            let meant = url::form_urlencoded::parse(format!("p={}", password.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, meant)| meant.into_owned());
            found.extend(meant);
        }
        let secret = |name: &str| ["pass", "secret", "token", "key"].iter().any(|word| name.contains(word));
        found.extend(
            url.query_pairs().filter(|(name, _)| secret(&name.to_lowercase())).map(|(_, v)| v.into_owned()),
        );
    }
    found
}

/// The password in `host=… password=…`.
fn within_keywords(value: &str) -> Option<String> {
    let (_, rest) = value.split_once("password=")?;
    let password = match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next()?,
        None => rest.split([' ', ';']).next()?,
    };
    Some(password.to_owned())
}

fn replace_alone(text: &str, secret: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, found) = rest.split_at(at);
        let after = &found[secret.len()..];
        let is_alone = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        clean.push_str(before);
        clean.push_str(if is_alone { MASK } else { secret });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::DriverOption, secret::Secret};

    fn scrub(values: &[&str]) -> Scrub {
        let options: DriverOptions = values
            .iter()
            .enumerate()
            .map(|(n, value)| (n.to_string(), DriverOption { value: Secret::new(*value), is_secret: true }))
            .collect();
        Scrub::new([&options])
    }

    #[test]
    fn a_password_is_hidden_in_every_form() {
        let scrub = scrub(&[
            "postgres://app:p%40ss%2Fword@db/app",
            "Bearer tokentoken",
            "host=x password='se cret' user=y",
        ]);
        let said = "p%40ss%2Fword p@ss/word postgres://app:p%40ss%2Fword@db/app tokentoken 'se cret' se+cret";
        assert_eq!(scrub.clean(said), "*** *** *** *** '***' ***");
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_stands_alone() {
        assert_eq!(scrub(&["a"]).clean("a table a: password \"a\""), "*** table ***: password \"***\"");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let option = DriverOption { value: Secret::new("app"), is_secret: false };
        let options = DriverOptions::from([("user".to_owned(), option)]);
        assert_eq!(Scrub::new([&options]).clean("user app"), "user app");
    }
}
