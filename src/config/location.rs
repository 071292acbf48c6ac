//! Paths and URLs.

use super::{
    Location,
    reader::{At, Reader},
    suggest::{closest, did_you_mean, listed},
    value::Text,
};
use std::path::PathBuf;

/// The schemes of object storage, and the one for tests that is gone when the process ends.
const SCHEMES: &[&str] = &["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "memory"];

/// A place on disk or in object storage.
pub(super) fn location(text: &At<Text>, reader: &mut Reader<'_>) -> Option<Location> {
    let Text { text: location, typed, is_foreign } = &text.value;
    let Some((scheme, rest)) = location.split_once("://") else {
        return path(text, reader).map(Location::Local);
    };
    if scheme == "file" {
        reader.problem(&text.span, "a local folder is written as a path", "leave `file://` away".to_owned());
        return None;
    }
    if !SCHEMES.contains(&scheme) {
        let scheme_shown = if *is_foreign { typed } else { scheme };
        let help = match closest(scheme, SCHEMES) {
            Some(word) if !*is_foreign => did_you_mean(word),
            _ => format!("the schemes are {}", listed(SCHEMES)),
        };
        reader.problem(&text.span, format!("`{scheme_shown}` is not a scheme of object storage"), help);
        return None;
    }
    let host = rest.split('/').next().unwrap_or_default();
    if host.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        reader.hide(&text.span);
        reader.problem(
            &text.span,
            "a URL of object storage holds a password",
            "put credentials under `options`, or leave them to the environment".to_owned(),
        );
        return None;
    }
    if host.is_empty() && scheme != "memory" {
        reader.problem(&text.span, format!("the URL `{typed}` names no bucket"), None);
        return None;
    }
    Some(Location::Url(location.clone()))
}

/// A local path, relative to the configuration's folder.
pub(super) fn path(text: &At<Text>, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let Text { text: path, typed, .. } = &text.value;
    if path.contains("://") {
        reader.problem(&text.span, format!("`{typed}` is a URL; a path is needed"), None);
        return None;
    }
    if path == "~" || path.starts_with("~/") {
        let help = "write `${HOME}` for your home folder".to_owned();
        reader.problem(&text.span, "`~` has no meaning here", help);
        return None;
    }
    Some(reader.folder.join(path))
}
