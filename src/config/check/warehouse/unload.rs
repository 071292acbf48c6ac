//! What warehouses need to write into the store.

use crate::config::{
    SnowflakeAccess, UnloadSpec, raw,
    reader::{At, Field, Reader},
    value::Text,
};

/// Snowflake: an integration or a stage. The outer `None`: it is wrong.
pub(super) fn snowflake(
    raw: Field<raw::SnowflakeUnload>,
    reader: &mut Reader<'_>,
) -> Option<Option<UnloadSpec>> {
    let Some(block) = raw.optional()? else { return Some(None) };
    let access = match (block.value.integration, block.value.stage) {
        (Field::Bad, _) | (_, Field::Bad) => return None,
        (Field::Given(name), Field::Absent) => {
            SnowflakeAccess::Integration(sql_name(name, 1, "an integration is named `name`", reader)?)
        }
        (Field::Absent, Field::Given(name)) => {
            SnowflakeAccess::Stage(sql_name(name, 3, "a stage is named `database.schema.stage`", reader)?)
        }
        (Field::Given(_), Field::Given(stage)) => {
            let help = "one is enough: remove the other".to_owned();
            reader.problem(&stage.span, "`integration` and `stage` are both given", help);
            return None;
        }
        (Field::Absent, Field::Absent) => {
            let help =
                "add `integration: …`, the name of a storage integration that may write into the store"
                    .to_owned();
            reader.problem(&block.span, "`unload` does not say how Snowflake gets at the store", help);
            return None;
        }
    };
    Some(Some(UnloadSpec::Snowflake(access)))
}

/// Redshift: a role. The outer `None`: it is wrong.
pub(super) fn redshift(
    raw: Field<raw::RedshiftUnload>,
    reader: &mut Reader<'_>,
) -> Option<Option<UnloadSpec>> {
    let Some(block) = raw.optional()? else { return Some(None) };
    let role = block.value.iam_role.given()?;
    let iam_role = role.value.text.trim().to_owned();
    let is_role = |role: &str| role.starts_with("arn:") && role.contains(":role/");
    if iam_role != "default" && !iam_role.split(',').all(is_role) {
        let help =
            "write `arn:aws:iam::123456789012:role/name`, or `default` for the cluster's own".to_owned();
        reader.problem(&role.span, "`iam_role` is no role of IAM", help);
        return None;
    }
    Some(Some(UnloadSpec::Redshift { iam_role }))
}

/// A name as SQL has it, of so many parts at most. It stands in a statement as it is, so it can only be one.
fn sql_name(name: At<Text>, parts_max: usize, help: &str, reader: &mut Reader<'_>) -> Option<String> {
    let text = name.value.text.trim();
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
    };
    // A quoted name with a quote or a dot in it is nothing that is worth the trouble.
    let is_quoted = |part: &str| {
        part.len() > 2
            && part.starts_with('"')
            && part.ends_with('"')
            && !part[1..part.len() - 1].contains(['"', '\'', '/', '\\'])
    };
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() <= parts_max && parts.iter().all(|part| is_plain(part) || is_quoted(part)) {
        return Some(text.to_owned());
    }
    reader.problem(&name.span, format!("`{}` is no name in Snowflake", name.value.typed), help.to_owned());
    None
}
