//! The name of a table on a source: recognised, and passed on as it was written.

/// Server, database, schema and table: no warehouse has names of more parts.
const PARTS_MAX: usize = 4;

/// Whether a text is the name of a table: parts with dots between, each in double quotes, in backquotes, or plain. What a
/// plain part stands for is for the source to say, so it is neither quoted nor folded here.
pub(super) fn is_relation(text: &str) -> bool {
    let mut rest = text;
    for count in 1..=PARTS_MAX {
        let Some(length) = part(rest) else { return false };
        // Some warehouses take the default schema for an empty part: `db..table`.
        let is_inner = count > 1 && rest[length..].starts_with('.');
        if length == 0 && !is_inner {
            return false;
        }
        match rest[length..].strip_prefix('.') {
            Some(next) => rest = next,
            None => return rest.len() == length,
        }
    }
    false
}

/// The length of the part that a text begins with; `None` if a quote is not closed.
fn part(text: &str) -> Option<usize> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '`')) else {
        return Some(plain(text));
    };
    let mut at = 1;
    loop {
        at += text[at..].find(quote)? + 1;
        // A doubled quote is part of the name.
        if !text[at..].starts_with(quote) {
            // An empty name in quotes is none.
            return (at > 2).then_some(at);
        }
        at += 1;
    }
}

/// The length of the plain name that a text begins with: letters, digits, `_`, `$` (Snowflake, Oracle), `@` and `#`, and
/// single hyphens inside (projects of BigQuery; two of them would begin a comment).
fn plain(text: &str) -> usize {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '#');
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let is_hyphen = c == '-' && end == at && at > 0 && !text[..at].ends_with('-');
        match c {
            c if is_letter(c) => end = at + c.len_utf8(),
            _ if is_hyphen && text[at + 1..].starts_with(is_letter) => end = at + 1,
            _ => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_told_from_all_else() {
        for text in [
            "customers",
            "analytics.customers",
            r#"db.schema."Odd name""#,
            r#""say ""hi"" now".t"#,
            "`my-project.marts.customers`",
            "my-project.marts.events_2026",
            "V$SESSION",
            "main.`Odd name`",
            "db..customers",
            "kunden.größe",
            "server.db.dbo.t",
            "#staging",
        ] {
            assert!(is_relation(text), "{text}");
        }
        for text in [
            "",
            ".",
            ".a",
            "a.",
            "a b",
            "a.b.c.d.e",
            r#""a"#,
            r#""a"b"#,
            r#""""#,
            "a--b",
            "-a",
            "a-",
            "select(1)",
            "a;b",
            "a/b",
            "a'b",
            "a*",
            "a,b",
        ] {
            assert!(!is_relation(text), "{text}");
        }
    }
}
