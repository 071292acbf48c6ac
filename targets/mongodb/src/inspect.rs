//! The collection compared with what the sync wants of it, and the collection made.

use crate::{
    catalog::{self, Index, Kind},
    connect::Link,
    limits,
    plan::Plan,
    rights, scan, shown,
    validator::Validator,
};
use hydrant_contract::{ErrorKind, Inspection, Limits, Mismatch, Result, TableSpec, TargetError, ValueType};
use mongodb::bson::{Document, doc};

/// The longest name of database and collection together, with the dot.
const NAMESPACE_BYTES_MAX: usize = 255;
const DATABASE_BYTES_MAX: usize = 63;

/// Compares; see [`Target::inspect`](hydrant_contract::Target::inspect).
pub(crate) async fn inspect(link: &Link, spec: &TableSpec, doing: &str) -> Result<Inspection> {
    named(link, spec, doing)?;
    // What no collection could hold is said in any case; of one that is absent there is no other place to say it.
    let plan = match Plan::new(spec, &link.database) {
        Ok(plan) => plan,
        Err(mismatches) => {
            return Ok(Inspection::Present { mismatches, limits: Limits::none_of(spec) });
        }
    };
    let rights = rights::of_account(link, doing).await?;
    let Some(kind) = catalog::described(link, &plan, doing).await? else {
        if let Some(missing) = rights.to_create(&plan).or_else(|| rights.of_own(&link.database)) {
            let message = format!("{}; mend: {}", missing.problem, missing.mend);
            return Err(TargetError::new(ErrorKind::Denied, link.context(doing), message));
        }
        let statements =
            commands(&plan).into_iter().map(|command| shown::command(&plan.database, &command)).collect();
        return Ok(Inspection::Absent { statements, limits: limits::created(spec) });
    };
    if let Some(problem) = kind.problem(&plan) {
        return Ok(Inspection::Present { mismatches: vec![problem], limits: Limits::none_of(spec) });
    }
    let validator = Validator::of(&kind);
    let mut mismatches = validator.unfilled(spec, &plan);
    mismatches.extend(collated(&plan, &kind));
    if !plan.is_in_id() {
        let indexes = catalog::indexes(link, &plan, doing).await?;
        mismatches.extend(key_index(&plan, &indexes));
    }
    mismatches.extend(rights.of_table(spec, &plan));
    mismatches.extend(rights.of_own(&link.database));
    Ok(Inspection::Present { mismatches, limits: limits::of_collection(spec, &plan, &validator) })
}

/// Makes the collection, and the index on the key, if they are not there.
pub(crate) async fn create(link: &Link, spec: &TableSpec, doing: &str) -> Result<()> {
    named(link, spec, doing)?;
    let plan = crate::write::plan(link, spec, doing)?;
    if catalog::kind(link, &plan, doing).await?.is_some() {
        return Ok(());
    }
    for mut command in commands(&plan) {
        command.insert("writeConcern", link.concern());
        match link.run(&plan.database, command, doing).await {
            Ok(_) => {}
            // Two that create at a time; the index is made by both, which is no error.
            Err(error) if error.kind() == ErrorKind::ShapeDiffers => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The commands that make the collection. It is made without options: its rules are the application's.
fn commands(plan: &Plan) -> Vec<Document> {
    let mut commands = vec![doc! { "create": &plan.collection }];
    if !plan.is_in_id() {
        commands.push(create_index(plan));
    }
    commands
}

fn create_index(plan: &Plan) -> Document {
    let fields = plan.key_fields();
    let keys: Document = fields.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
    let index = doc! { "key": keys, "name": "hydrant_key", "unique": true };
    doc! { "createIndexes": &plan.collection, "indexes": [index] }
}

/// What is wrong with the indexes, if none of them keeps keys unique.
fn key_index(plan: &Plan, indexes: &[Index]) -> Option<Mismatch> {
    let fields = plan.key_fields();
    let has_text = has_text_key(plan);
    let good = |index: &&Index| scan::is_of_key(index, &fields) && !(index.collated && has_text);
    if indexes.iter().any(|index| good(&index)) {
        return None;
    }
    let near = indexes.iter().find(|index| index.is_on(&fields));
    let problem = match near {
        None => format!("there is no unique index on exactly {}", fields.join(", ")),
        Some(index) => {
            let why = [
                (!index.unique, "it is not unique"),
                (index.sparse, "it is sparse"),
                (index.partial, "it is partial"),
                (index.hidden, "it is hidden"),
                (index.collated, "its collation takes different keys for the same"),
            ];
            let why: Vec<_> = why.iter().filter(|(is, _)| *is).map(|(_, why)| *why).collect();
            let why =
                if why.is_empty() { "it is not ordered by value".to_owned() } else { why.join(" and ") };
            format!("the index {:?} on {} does not keep keys unique: {why}", index.name, fields.join(", "))
        }
    };
    let mut mend = shown::command(&plan.database, &create_index(plan));
    if let Some(index) = near {
        let drop = doc! { "dropIndexes": &plan.collection, "index": &index.name };
        mend = format!("{} and then {mend}", shown::command(&plan.database, &drop));
    }
    Some(Mismatch { column: None, problem, mend })
}

/// A collation of the collection is that of its queries and of the index on `_id`: keys that it takes for the same would be
/// one row.
fn collated(plan: &Plan, kind: &Kind) -> Option<Mismatch> {
    let collation = kind.collation().filter(|_| has_text_key(plan))?;
    let locale = collation.get_str("locale").unwrap_or_default();
    Some(Mismatch {
        column: None,
        problem: format!(
            "the collection compares texts by the collation {locale:?}, which may take different keys for the same"
        ),
        mend: "a collation cannot be changed: copy the documents into a collection without one, or return the key as a number \
               or bytes"
            .to_owned(),
    })
}

fn has_text_key(plan: &Plan) -> bool {
    plan.key_columns().any(|(_, column)| matches!(column.value, ValueType::Text | ValueType::Time(_)))
}

/// Whether the server would take these names.
fn named(link: &Link, spec: &TableSpec, doing: &str) -> Result<()> {
    let database = spec.table.schema.as_deref().unwrap_or(&link.database);
    let collection = spec.table.name.as_str();
    let refused = |kind, why: &str| Err(TargetError::new(kind, link.context(doing), why.to_owned()));
    if database.is_empty()
        || database.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'])
    {
        return refused(
            ErrorKind::ShapeDiffers,
            &format!("{database:?} is no name of a database; choose another one"),
        );
    }
    if collection.is_empty() || collection.contains(['$', '\0']) || collection.starts_with("system.") {
        return refused(
            ErrorKind::ShapeDiffers,
            &format!(
                "{collection:?} is no name of a collection (it may not be empty, contain $ or begin with system.); choose another one"
            ),
        );
    }
    if database.len() > DATABASE_BYTES_MAX || database.len() + 1 + collection.len() > NAMESPACE_BYTES_MAX {
        return refused(
            ErrorKind::LimitExceeded,
            &format!(
                "the name {database:?} or {collection:?} is too long (a database has {DATABASE_BYTES_MAX} bytes, both together \
                 {NAMESPACE_BYTES_MAX}); give it a shorter name"
            ),
        );
    }
    Ok(())
}
