//! Names of columns as paths of fields: `address.city` is the field `city` of the document `address`.

use hydrant_contract::Mismatch;

/// Why a column cannot be a field of that name, with the mend; `None` if it can.
pub(crate) fn problem(name: &str) -> Option<Mismatch> {
    let mismatch = |problem: &str, mend: &str| {
        Some(Mismatch { column: Some(name.to_owned()), problem: problem.to_owned(), mend: mend.to_owned() })
    };
    if name.contains('\0') {
        return mismatch(
            "its name contains the character NUL, which names of fields cannot",
            "give the column another name with AS in the query",
        );
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return mismatch(
            "a part of its name between dots is empty, so no field can be addressed by it",
            "give the column another name with AS in the query; a dot addresses a field of a nested document",
        );
    }
    if parts.iter().any(|part| part.starts_with('$')) {
        return mismatch(
            "its name, or a part of it behind a dot, begins with $, which MongoDB takes for an operator",
            "give the column another name with AS in the query",
        );
    }
    if parts.iter().skip(1).any(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return mismatch(
            "a part of its name behind a dot is a number, which MongoDB may take for the position in an array",
            "give the column another name with AS in the query, or return the array as a whole",
        );
    }
    None
}

/// Columns of which one names a document that another names a field of: `a` and `a.b`.
pub(crate) fn overlaps<'n>(names: &[&'n str]) -> Vec<(&'n str, &'n str)> {
    let within =
        |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let pairs = names.iter().flat_map(|outer| names.iter().map(move |inner| (*outer, *inner)));
    pairs.filter(|(outer, inner)| within(outer, inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_field_or_a_path_or_a_problem() {
        for name in ["name", "address.city", "0", "a$", "Ünï", " ", "a.b.c", "_id"] {
            assert_eq!(problem(name), None, "{name:?}");
        }
        for name in ["", "a.", ".a", "a..b", "$set", "a.$b", "a.0", "a.12.b", "a\0b"] {
            let found = problem(name).unwrap_or_else(|| panic!("{name:?} is no name of a field"));
            assert_eq!(found.column.as_deref(), Some(name));
        }
    }

    #[test]
    fn a_document_and_its_field_overlap() {
        assert_eq!(overlaps(&["a.b", "ab", "a", "c"]), [("a", "a.b")]);
        assert_eq!(overlaps(&["a.b", "a.bc"]), []);
    }
}
