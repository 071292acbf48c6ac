//! The order in which syncs run.

use super::SyncSpec;

/// The syncs in an order in which each comes after those of them that it names. Otherwise they stay in the order given:
/// only those that have to wait move back.
pub fn in_order<'a>(syncs: &[&'a SyncSpec]) -> Vec<&'a SyncSpec> {
    let mut left = syncs.to_vec();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |sync: &&SyncSpec| {
            left.iter().any(|other| other.name != sync.name && sync.after.contains(&other.name))
        };
        // A checked configuration has no cycles. If it had one, the first of those left would go.
        let next = left.iter().position(|sync| !waits(sync)).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{guard::GuardRules, source::Model, sync::*};
    use hydrant_contract::{Deletes, Documents, Mode, TableName};
    use proptest::prelude::*;

    fn sync(name: &str, after: &[&str]) -> SyncSpec {
        SyncSpec {
            name: name.to_owned(),
            source: String::new(),
            model: Model::default(),
            cursor: None,
            key: Vec::new(),
            target: String::new(),
            table: TableName { schema: None, name: String::new() },
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
            columns: None,
            export: ExportKind::Full,
            duplicate_keys: DuplicateKeys::Error,
            null_keys: NullKeys::Error,
            guard: GuardRules::default(),
            rejects: RejectCeiling::default(),
            rewrite: crate::sync::Rewrite::Never,
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            retain: Retention::default(),
            redact: Redact::default(),
            refused: BTreeMap::new(),
            exposure: ExposureSpec::default(),
        }
    }

    fn order(syncs: &[(&str, &[&str])]) -> String {
        let syncs: Vec<SyncSpec> = syncs.iter().map(|(name, after)| sync(name, after)).collect();
        let names: Vec<&str> =
            in_order(&syncs.iter().collect::<Vec<_>>()).iter().map(|sync| sync.name.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn a_sync_waits_for_those_it_comes_after_and_the_others_stay_in_place() {
        assert_eq!(order(&[("a", &[]), ("b", &[]), ("c", &[])]), "a b c");
        assert_eq!(order(&[("a", &["c"]), ("b", &[]), ("c", &[])]), "b c a");
        assert_eq!(order(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &[])]), "d c b a");
        assert_eq!(
            order(&[("b", &["absent"]), ("a", &[])]),
            "b a",
            "what is not asked for is not waited for"
        );
        assert_eq!(order(&[("b", &["a"]), ("b", &["a"]), ("a", &[])]), "a b b");
    }

    proptest! {
        #[test]
        fn every_sync_is_there_once_and_after_those_it_names(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..30),
            given in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
            // From higher to lower numbers only: no cycles.
            let after = |n: usize| {
                let of: Vec<&str> = edges.iter().filter(|(from, to)| *from == n && to < from)
                    .map(|(_, to)| names[*to].as_str()).collect();
                of
            };
            let syncs: Vec<SyncSpec> = given.iter().map(|n| sync(&names[*n], &after(*n))).collect();
            let ordered = in_order(&syncs.iter().collect::<Vec<_>>());
            prop_assert_eq!(ordered.len(), 12);
            for (at, sync) in ordered.iter().enumerate() {
                for name in &sync.after {
                    prop_assert!(ordered[..at].iter().any(|earlier| earlier.name == *name));
                }
            }
        }
    }
}
