//! How the columns of a query differ from those of the last run.

use hydrant_contract::Shape;

/// One sentence a column that was added, dropped or retyped. Another order of columns is no difference.
pub(super) fn drift(before: &Shape, now: &Shape) -> Vec<String> {
    let find = |shape: &Shape, name: &str| {
        shape.columns().iter().find(|column| column.name == name).map(|column| column.value.clone())
    };
    let dropped = before
        .columns()
        .iter()
        .filter(|column| find(now, &column.name).is_none())
        .map(|column| format!("the column {:?} is gone", column.name));
    let others = now.columns().iter().filter_map(|column| match find(before, &column.name) {
        None => Some(format!("the column {:?} ({}) is new", column.name, column.value)),
        Some(was) if was != column.value => {
            Some(format!("the column {:?} was {was} and is {}", column.name, column.value))
        }
        Some(_) => None,
    });
    dropped.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Column, ValueType};

    fn shape(columns: &[(&str, ValueType)]) -> Shape {
        let columns =
            columns.iter().map(|(name, value)| Column { name: (*name).into(), value: value.clone() });
        Shape::new(columns.collect(), vec!["id".into()]).unwrap()
    }

    #[test]
    fn each_kind_of_drift_is_named() {
        let before = shape(&[("id", ValueType::Text), ("a", ValueType::Text), ("b", ValueType::Date)]);
        let now = shape(&[("b", ValueType::Text), ("c", ValueType::Boolean), ("id", ValueType::Text)]);
        assert_eq!(drift(&before, &before), Vec::<String>::new());
        assert_eq!(
            drift(&before, &now),
            [
                r#"the column "a" is gone"#.to_owned(),
                format!(r#"the column "b" was {} and is {}"#, ValueType::Date, ValueType::Text),
                format!(r#"the column "c" ({}) is new"#, ValueType::Boolean),
            ]
        );
    }
}
