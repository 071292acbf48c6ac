//! The name of a target table.

use hydrant_contract::TableName;

/// Reads `name` or `schema.name`. A part in double quotes may hold dots; a double quote in it is doubled.
pub(super) fn table_name(text: &str) -> Result<TableName, &'static str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err("a double quote stands inside a name that does not begin with one");
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if part.is_empty() {
            return Err("a part of it is empty");
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err("something stands between a closing double quote and the next dot"),
        }
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, None) => Ok(TableName { schema: None, name }),
        (Some(schema), Some(name), None) => Ok(TableName { schema: Some(schema), name }),
        _ => Err("it has more than two parts"),
    }
}

/// What stands before the closing quote, and what after it.
fn quoted_part(text: &str) -> Result<(String, &str), &'static str> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("a double quote is not closed");
        };
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Ok((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_dots_outside_of_quotes() {
        for (text, schema, name) in [
            ("users", None, "users"),
            ("public.users", Some("public"), "users"),
            ("Public.Users", Some("Public"), "Users"),
            (r#""a.b""#, None, "a.b"),
            (r#""a.b"."c d""#, Some("a.b"), "c d"),
            (r#"app."say ""hi""""#, Some("app"), r#"say "hi""#),
        ] {
            let expected = TableName { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(table_name(text), Ok(expected), "{text}");
        }
        for text in ["a.b.c", ".a", "a.", "a..b", r#""a"#, r#"a"b"#, r#""a"b"#, r#""""#] {
            assert!(table_name(text).is_err(), "{text}");
        }
    }
}
