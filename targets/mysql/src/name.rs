//! Names and texts as SQL writes them.

/// MySQL's and MariaDB's limit for the names of databases, tables and columns.
const NAME_CHARACTERS_MAX: usize = 64;

/// The database that a table stands in: the one that is named, or the one of the connection.
pub(crate) fn database_of<'a>(table: &'a hydrant_contract::TableName, default: &'a str) -> &'a str {
    table.schema.as_deref().unwrap_or(default)
}

/// A name between backticks.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table with its database.
pub(crate) fn qualified(database: &str, table: &str) -> String {
    format!("{}.{}", quoted(database), quoted(table))
}

/// Names, quoted and parted by commas.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quoted).collect::<Vec<_>>().join(", ")
}

/// A text between single quotes. Sessions of hydrant have backslash escapes ([`crate::session`]).
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Why the server has no name like this. It would refuse some such names, and change others silently.
pub(crate) fn problem(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length > NAME_CHARACTERS_MAX {
        Some(format!("the name has {length} characters, and MySQL takes {NAME_CHARACTERS_MAX}"))
    } else if name.is_empty() || name.ends_with(' ') {
        Some("MySQL takes no name that is empty or ends with a space".to_owned())
    } else if name.chars().any(|c| c == '\0' || u32::from(c) > 0xffff) {
        Some(
            "MySQL takes no name with the character NUL or with characters past U+FFFF (emoji, say)"
                .to_owned(),
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_quoting_must_double_is_doubled() {
        assert_eq!(quoted("back`tick"), "`back``tick`");
        assert_eq!(literal(r"it's \n"), r"'it\'s \\n'");
    }

    #[test]
    fn names_that_the_server_refuses_or_changes_are_known() {
        assert_eq!(problem("Ünï \"quoted\" 日本"), None);
        assert_eq!(problem(&"é".repeat(64)), None);
        for bad in ["id ", "", "🙂", "a\0"] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
        assert!(problem(&"x".repeat(65)).is_some_and(|why| why.contains("65")));
    }
}
