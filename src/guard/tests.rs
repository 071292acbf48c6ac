use super::*;
use proptest::prelude::*;

/// A run after one with a thousand rows, of which nothing has changed.
fn quiet() -> Figures {
    Figures {
        published_rows: 1000,
        last_exported_rows: Some(1000),
        exported_rows: 1000,
        unchanged: 1000,
        key_columns: vec!["id".to_owned()],
        ..Figures::default()
    }
}

fn judged(figures: &Figures) -> Verdict {
    judge(&GuardRules::default(), figures, &Approvals::default())
}

fn fired(figures: &Figures, rules: &GuardRules, approved: &str) -> Vec<Rule> {
    let approved = if approved.is_empty() { Approvals::default() } else { approved.parse().unwrap() };
    judge(rules, figures, &approved).findings.iter().map(|finding| finding.rule).collect()
}

fn reasons(verdict: &Verdict) -> Vec<(&str, Then, &str)> {
    verdict.findings.iter().map(|f| (f.reason.as_str(), f.then, f.approve.as_str())).collect()
}

#[test]
fn a_quiet_run_and_a_first_run_pass() {
    assert_eq!(judged(&quiet()), Verdict::default());
    assert_eq!(judged(&Figures::default()), Verdict::default());
    let first = Figures { exported_rows: 5_000_000, inserts: 5_000_000, ..Figures::default() };
    assert_eq!(judged(&first), Verdict::default());
}

#[test]
fn deletes_pass_below_rows_or_below_percent() {
    let with = |published_rows, deletes| {
        let left = published_rows - deletes;
        let figures = Figures {
            published_rows,
            deletes,
            exported_rows: left,
            unchanged: left,
            last_exported_rows: Some(published_rows),
            ..quiet()
        };
        !judged(&figures).findings.is_empty()
    };
    assert!(!with(20, 10), "half of a small table, but few rows");
    assert!(!with(10_000, 1_000), "many rows, but ten percent");
    assert!(with(10_000, 1_001));
    assert!(!with(1, 0));
}

#[test]
fn an_empty_export_withholds_its_deletes_however_few_they_are() {
    let empty = Figures {
        published_rows: 3,
        last_exported_rows: Some(3),
        exported_rows: 0,
        unchanged: 0,
        deletes: 3,
        ..quiet()
    };
    let verdict = judged(&empty);
    assert_eq!(
        reasons(&verdict),
        [("the query returned no rows at all, 3 rows would be deleted", Then::Withhold, "deletes=3")]
    );
    assert_eq!(verdict.hold, Hold { deletes: true, ..Hold::default() });
    let rules = GuardRules::default();
    assert_eq!(fired(&empty, &rules, "deletes=2"), [Rule::Deletes], "an approval is a ceiling");
    assert_eq!(fired(&empty, &rules, "deletes=3"), []);
    let wide = ShareRule { rows: 1_000_000, percent: 100.0, then: Then::Warn };
    assert_eq!(fired(&empty, &GuardRules { deletes: wide, ..rules }, ""), [Rule::Deletes]);
    let off = ShareRule { then: Then::Off, ..wide };
    assert_eq!(fired(&empty, &GuardRules { deletes: off, ..rules }, ""), []);
}

#[test]
fn many_updates_are_told_and_go_unless_the_rule_withholds() {
    let figures = Figures {
        published_rows: 3000,
        last_exported_rows: Some(3000),
        exported_rows: 3000,
        updates: 1501,
        unchanged: 1499,
        ..quiet()
    };
    let verdict = judged(&figures);
    assert_eq!(
        reasons(&verdict),
        [(
            "1501 of 3000 rows (50.0 %) would be updated, the guard lets pass 1000 rows or 50 %",
            Then::Warn,
            "changes=1501"
        )]
    );
    assert_eq!(verdict.hold, Hold::default());
    let mut rules = GuardRules::default();
    rules.changes.then = Then::Withhold;
    let held = judge(&rules, &figures, &Approvals::default()).hold;
    assert_eq!(held, Hold { updates: true, ..Hold::default() });
    assert_eq!(fired(&figures, &rules, "changes=1500"), [Rule::Changes]);
    assert_eq!(fired(&figures, &rules, "changes=1501"), []);
    assert_eq!(judge(&rules, &figures, &Approvals::default().any_changes()), Verdict::default());
}

#[test]
fn an_export_with_fewer_rows_than_expected_is_found() {
    let mut rules = GuardRules::default();
    rules.rows.at_least = 1200;
    let mut figures = quiet();
    let verdict = judge(&rules, &figures, &Approvals::default());
    assert_eq!(
        reasons(&verdict),
        [("the query returned 1000 rows, the guard wants 1200 at least", Then::Warn, "rows=1000")],
        "there is nothing to withhold"
    );
    figures.deletes = 2;
    assert!(judge(&rules, &figures, &Approvals::default()).hold.deletes);
    rules.rows.then = Then::Stop;
    assert_eq!(judge(&rules, &figures, &Approvals::default()).stops().count(), 1);
    assert_eq!(fired(&figures, &rules, "rows=1001"), [Rule::Rows]);
    assert_eq!(fired(&figures, &rules, "rows=1000"), []);
    figures.exported_rows = 1200;
    assert_eq!(fired(&figures, &rules, ""), []);
}

#[test]
fn an_export_that_shrank_withholds_its_deletes_also_in_the_run_after() {
    let mut rules = GuardRules::default();
    rules.deletes.then = Then::Off;
    let shrunk = Figures {
        exported_rows: 400,
        unchanged: 400,
        deletes: 600,
        last_exported_rows: Some(1000),
        ..quiet()
    };
    let verdict = judge(&rules, &shrunk, &Approvals::default());
    assert_eq!(
        reasons(&verdict),
        [(
            "the query returned 400 rows, 60.0 % fewer than the 1000 rows of the last run, the guard lets pass 50 %",
            Then::Withhold,
            "shrink=60"
        )]
    );
    assert!(verdict.hold.deletes);
    // The rows are in the table still, and the export is as small as the last one.
    let again = Figures { last_exported_rows: Some(400), ..shrunk.clone() };
    let verdict = judge(&rules, &again, &Approvals::default());
    assert_eq!(
        reasons(&verdict)[0].0,
        "the query returned 400 rows, 60.0 % fewer than the 1000 rows in the table, the guard lets pass 50 %"
    );
    assert!(verdict.hold.deletes);
    assert_eq!(fired(&again, &rules, "shrink=59"), [Rule::Shrink]);
    assert_eq!(fired(&again, &rules, "shrink=60"), []);
    // Where nothing would be deleted, the last run's export counts.
    let upsert = Figures { deletes: 0, ..shrunk };
    assert_eq!(judge(&rules, &upsert, &Approvals::default()).findings[0].then, Then::Warn);
    assert_eq!(fired(&Figures { last_exported_rows: Some(400), ..upsert.clone() }, &rules, ""), []);
    // Floating-point numbers take this ratio past a hundred.
    let huge = Figures { last_exported_rows: Some(2_996_542_267_492_053_485), exported_rows: 0, ..upsert };
    assert_eq!(fired(&huge, &rules, "shrink=99"), [Rule::Shrink]);
    assert_eq!(judge(&rules, &huge, &Approvals::default()).findings[0].approve, "shrink=100");
    let small = Figures { published_rows: 99, last_exported_rows: Some(99), exported_rows: 1, ..again };
    assert_eq!(fired(&small, &rules, ""), [], "a small table may shrink");
}

#[test]
fn keys_that_are_all_others_hold_everything_back() {
    let others = Figures {
        inserts: 1000,
        deletes: 1000,
        unchanged: 0,
        key_columns: vec!["region".to_owned(), "id".to_owned()],
        ..quiet()
    };
    let mut rules = GuardRules::default();
    rules.deletes.then = Then::Off;
    let verdict = judge(&rules, &others, &Approvals::default());
    assert_eq!(
        reasons(&verdict),
        [(
            "none of the 1000 keys in the table is among the 1000 that the query returned: all values of the key columns region, id are others than before",
            Then::Withhold,
            "keys"
        )]
    );
    assert_eq!(verdict.hold, Hold { inserts: true, updates: true, deletes: true });
    assert_eq!(fired(&others, &rules, "keys"), []);
    for known in [Figures { updates: 1, ..others.clone() }, Figures { unchanged: 1, ..others.clone() }] {
        assert_eq!(fired(&known, &rules, ""), [], "one key is known");
    }
    for few in [Figures { published_rows: 99, ..others.clone() }, Figures { exported_rows: 99, ..others }] {
        assert!(!fired(&few, &rules, "").contains(&Rule::Keys), "few rows say nothing");
    }
}

#[test]
fn columns_that_changed_are_named() {
    let figures = Figures {
        updates: 5,
        drift: vec!["plan is new".to_owned(), "score was int32 and is int64".to_owned()],
        ..quiet()
    };
    let verdict = judged(&figures);
    assert_eq!(
        reasons(&verdict),
        [(
            "the query's columns are others than in the last run: plan is new; score was int32 and is int64",
            Then::Warn,
            "schema"
        )]
    );
    let rules = GuardRules { schema: Then::Withhold, ..GuardRules::default() };
    let held = judge(&rules, &figures, &Approvals::default()).hold;
    assert_eq!(held, Hold { inserts: true, updates: true, deletes: true });
    assert_eq!(fired(&figures, &rules, "schema"), []);
}

#[test]
fn approvals_are_read_and_what_is_none_is_explained() {
    let approvals: Approvals = "deletes=1200, changes=5000,rows=0,shrink=60,keys,schema".parse().unwrap();
    assert_eq!(
        approvals,
        Approvals {
            deletes: Some(1200),
            changes: Some(5000),
            rows: Some(0),
            shrink: Some(60),
            keys: true,
            schema: true
        }
    );
    assert!(Approvals::default().is_empty() && !approvals.is_empty());
    assert_eq!(
        Approvals::default().and(approvals.clone()).and("deletes=7".parse().unwrap()).deletes,
        Some(7)
    );
    for (text, message) in [
        (
            "delete=3",
            "there is no rule `delete`: say `deletes=N`, `changes=N`, `rows=N`, `shrink=PERCENT`, `keys` or `schema`",
        ),
        ("deletes", "say how much: `deletes=N`"),
        ("shrink", "say how much: `shrink=PERCENT`"),
        ("keys=3", "`keys` takes no number: say `keys`"),
        ("changes=many", "`many` is not a whole number"),
        ("deletes=-1", "`-1` is not a whole number"),
        ("shrink=101", "`101` is not a whole number from 0 to 100"),
    ] {
        assert_eq!(text.parse::<Approvals>().unwrap_err().to_string(), message);
    }
    assert!("".parse::<Approvals>().is_err());
    assert!("keys,".parse::<Approvals>().is_err());
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![Just(Then::Off), Just(Then::Warn), Just(Then::Withhold), Just(Then::Stop)]
}

fn share() -> impl Strategy<Value = ShareRule> {
    (0..2000_u64, 0.0..100.0, then()).prop_map(|(rows, percent, then)| ShareRule { rows, percent, then })
}

fn any_rules() -> impl Strategy<Value = GuardRules> {
    (share(), share(), 0..2000_u64, then(), 0.0..100.0, then(), then(), then()).prop_map(
        |(deletes, changes, at_least, few, percent, shrunk, keys, schema)| GuardRules {
            deletes,
            changes,
            rows: RowsRule { at_least, then: few },
            shrink: ShrinkRule { percent, then: shrunk },
            keys,
            schema,
        },
    )
}

/// Small numbers, which meet the limits often, and all others.
fn rows() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..3000_u64, 1 => any::<u64>(), 1 => Just(0)]
}

fn any_figures() -> impl Strategy<Value = Figures> {
    let drift = prop::collection::vec("[a-z]{1,5} is new", 0..3);
    (rows(), prop::option::of(rows()), rows(), rows(), rows(), rows(), rows(), drift).prop_map(
        |(published_rows, last_exported_rows, exported_rows, inserts, updates, deletes, unchanged, drift)| {
            Figures {
                published_rows,
                last_exported_rows,
                exported_rows,
                inserts,
                updates,
                deletes,
                unchanged,
                key_columns: vec!["id".to_owned()],
                drift,
            }
        },
    )
}

proptest! {
    /// What is shown to type lets just that change set pass.
    #[test]
    fn what_is_suggested_to_approve_lets_it_pass(rules in any_rules(), figures in any_figures()) {
        let verdict = judge(&rules, &figures, &Approvals::default());
        let suggested: Vec<&str> = verdict.findings.iter().map(|f| f.approve.as_str()).collect();
        let approvals = suggested.iter().fold(Approvals::default(), |all, one| all.and(one.parse().unwrap()));
        prop_assert_eq!(judge(&rules, &figures, &approvals), Verdict::default());
    }

    /// An approval is about one rule, and one too small is none.
    #[test]
    fn an_approval_lets_only_its_rule_pass(rules in any_rules(), figures in any_figures()) {
        let all = judge(&rules, &figures, &Approvals::default()).findings;
        for finding in &all {
            let left = judge(&rules, &figures, &finding.approve.parse().unwrap()).findings;
            // Deletes that somebody has counted pass the rules that would hold back nothing else.
            let with_deletes = |f: &&Finding| {
                finding.rule == Rule::Deletes
                    && f.then == Then::Withhold
                    && matches!(f.rule, Rule::Rows | Rule::Shrink)
            };
            let others: Vec<_> =
                all.iter().filter(|f| f.rule != finding.rule && !with_deletes(f)).cloned().collect();
            prop_assert_eq!(left, others);
        }
        for small in ["deletes=0", "changes=0", "shrink=0"] {
            prop_assert_eq!(&judge(&rules, &figures, &small.parse().unwrap()).findings, &all);
        }
    }

    /// What is held back is what the findings that withhold are about, and there is something to hold back.
    #[test]
    fn what_is_held_back_is_what_the_findings_say(rules in any_rules(), figures in any_figures()) {
        let verdict = judge(&rules, &figures, &Approvals::default());
        let by = |rules: &[Rule]| verdict.withholds().any(|finding| rules.contains(&finding.rule));
        let all = by(&[Rule::Keys, Rule::Schema]);
        prop_assert_eq!(verdict.hold.inserts, all);
        prop_assert_eq!(verdict.hold.updates, all || by(&[Rule::Changes]));
        prop_assert_eq!(verdict.hold.deletes, all || by(&[Rule::Deletes, Rule::Rows, Rule::Shrink]));
        if verdict.hold.is_any() {
            prop_assert!(verdict.hold.rows(&figures) > 0);
        }
        prop_assert!(verdict.findings.iter().all(|finding| finding.then != Then::Off));
    }

    /// More of what a rule is about never lets it pass.
    #[test]
    fn more_of_the_same_still_fires(rules in any_rules(), figures in any_figures(), more in 0..1000_u64) {
        let is_fired = |figures: &Figures, rule| {
            judge(&rules, figures, &Approvals::default()).findings.iter().any(|f| f.rule == rule)
        };
        let worse = [
            (Rule::Deletes, Figures { deletes: figures.deletes.saturating_add(more), ..figures.clone() }),
            (Rule::Changes, Figures { updates: figures.updates.saturating_add(more), ..figures.clone() }),
            (Rule::Rows, Figures { exported_rows: figures.exported_rows.saturating_sub(more), ..figures.clone() }),
            (Rule::Shrink, Figures { exported_rows: figures.exported_rows.saturating_sub(more), ..figures.clone() }),
        ];
        for (rule, worse) in worse {
            prop_assert!(!is_fired(&figures, rule) || is_fired(&worse, rule), "{} of {:?}", rule, worse);
        }
    }

    /// By the rules as they come, an export without rows never empties a table.
    #[test]
    fn an_export_without_rows_deletes_nothing_by_default(figures in any_figures()) {
        let figures = Figures { exported_rows: 0, ..figures };
        let verdict = judge(&GuardRules::default(), &figures, &Approvals::default());
        prop_assert!(figures.deletes == 0 || verdict.hold.deletes);
    }
}
