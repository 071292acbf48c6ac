//! The ways that rows take, and what happens to them there.

use crate::{INT, apply, first, fits, fresh, keys, refusals, rows, servers, spec, spec_of, target, write};
use arrow::{
    array::{ArrayRef, Int64Array},
    record_batch::RecordBatch,
};
use hydrant_contract::{ErrorKind, Mode, Target};
use std::sync::Arc;

const TABLE: &str = "id bigint PRIMARY KEY, name varchar(200) CHARACTER SET utf8mb4";

#[tokio::test]
async fn the_report_says_which_way_the_rows_took() {
    for server in servers() {
        for (options, paths) in [
            ("", ["load", "load and merge", "merge"]),
            ("local-infile=never", ["statements", "statements", "statements"]),
        ] {
            let table = server.table("paths", TABLE);
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            let first = apply(&target, &spec, &[], &[(1, Some("a")), (2, None)], &[]).await.expect("written");
            let both =
                apply(&target, &spec, &[2], &[(3, Some("c"))], &[(1, Some("b"))]).await.expect("written");
            let merge = apply(&target, &spec, &[], &[], &[(1, Some("\\N\t\n\\"))]).await.expect("written");
            assert_eq!([first.path, both.path, merge.path], paths);
            assert_eq!(
                server.sql(&format!("SELECT id, HEX(name) FROM {} ORDER BY id", table.name)),
                "1\t5C4E090A5C\n3\t63"
            );
        }
    }
}

/// Without the right to make temporary tables, and without any right but those on the columns.
#[tokio::test]
async fn an_account_without_temporary_tables_writes_by_statements() {
    for server in servers() {
        let table = server.table("plain", TABLE);
        server.target().claim(&fresh("sync"), 1).await.expect("an administrator makes hydrant's tables");
        let account = server.account("IDENTIFIED BY 'pw'");
        server.sql(&format!(
            "GRANT SELECT (id, name), INSERT (id, name), UPDATE (name), DELETE ON test.{} TO '{u}'@'%'; \
             GRANT SELECT, INSERT, UPDATE ON test.hydrant_checkpoint TO '{u}'@'%'; \
             GRANT SELECT, INSERT, UPDATE ON test.hydrant_freshness TO '{u}'@'%'",
            table.name,
            u = account.name
        ));
        let (target, spec) =
            (target(&server.through(&account.name, "pw", "127.0.0.1", "")), spec(&table.name));
        fits(&target, &spec).await;
        let one = apply(&target, &spec, &[], &[(1, Some("a")), (2, Some("b"))], &[]).await.expect("written");
        assert_eq!(one.path, "load");
        let two = apply(&target, &spec, &[2], &[(3, None)], &[(1, Some("A"))]).await.expect("written");
        assert_eq!((two.path, two.rejects.len()), ("load and statements", 0));
        let three = apply(&target, &spec, &[], &[], &[(1, Some("B"))]).await.expect("written");
        assert_eq!(three.path, "statements");
        assert_eq!(server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)), "1\tB\n3\tNULL");
    }
}

/// `LOAD DATA LOCAL` makes warnings of duplicates, constraints and values alike, skips the row, and goes on.
#[tokio::test]
async fn warnings_of_a_load_are_never_swallowed() {
    for server in servers() {
        let table =
            server.table("warned", &format!("{TABLE}, email varchar(50) UNIQUE, CHECK (name <> 'bad')"));
        server.sql(&format!("INSERT INTO {} VALUES (7, 'theirs', 'x')", table.name));
        let (target, spec) = (server.target(), spec(&table.name));
        let inserts = [(1, Some("a")), (2, Some("bad")), (7, Some("there")), (3, Some("c"))];
        let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
        assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [1]);
        assert!(applied.rejects[0].reason.contains("[3819]") || applied.rejects[0].reason.contains("[4025]"));
        assert!(!applied.rejects[0].reason.contains("bad"), "{:?}", applied.rejects);
        let found = server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name));
        assert_eq!(found, "1\ta\n3\tc\n7\tthere");
    }
}

/// Once rows that were believed absent were there, the rest of the run does not try to load them straight.
#[tokio::test]
async fn a_wrong_belief_is_remembered_for_the_run() {
    for server in servers() {
        let table = server.table("believed", TABLE);
        server.sql(&format!("INSERT INTO {} VALUES (1, 'old')", table.name));
        let (target, spec) = (server.target(), spec(&table.name));
        let sync = fresh("sync");
        target.claim(&sync, 1).await.expect("claimed");
        let mut paths = Vec::new();
        for number in 1..=3 {
            let mut batch = first(&spec, &sync);
            batch.checkpoint.batch = number;
            batch.checkpoint.run = if number == 3 { 2 } else { 1 };
            if number == 3 {
                batch.checkpoint.batch = 1;
            }
            let id = i64::try_from(number).expect("small");
            batch.inserts = rows(&spec, &[(id, Some("new"))]);
            paths.push(target.apply(&batch).await.expect("written").path);
        }
        assert_eq!(paths, ["statements", "merge", "load"]);
        assert_eq!(server.sql(&format!("SELECT COUNT(*) FROM {} WHERE name = 'new'", table.name)), "3");
    }
}

#[tokio::test]
async fn a_row_larger_than_a_packet_is_a_reject_and_many_rows_are_cut_to_fit() {
    for server in servers() {
        let table = server.table("packet", "id bigint PRIMARY KEY, name longtext CHARACTER SET utf8mb4");
        // Both servers take 64 MiB here.
        let huge = "x".repeat(65 << 20);
        let large = "é".repeat(3 << 20);
        for options in ["", "local-infile=never"] {
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            server.sql(&format!("DELETE FROM {}", table.name));
            let large: Vec<_> = (1..=4).map(|id| (id, Some(large.as_str()))).collect();
            apply(&target, &spec, &[], &large, &[]).await.expect("rows of 6 MiB");
            let applied = apply(&target, &spec, &[], &[], &large).await.expect("rows of 6 MiB");
            assert_eq!(applied.rejects, []);
            let lengths = format!("SELECT COUNT(*), SUM(LENGTH(name)) FROM {}", table.name);
            assert_eq!(server.sql(&lengths), format!("4\t{}", 4 * (6 << 20)));
        }
        let (target, spec) = (target(&server.url("local-infile=never")), spec(&table.name));
        let updates = [(1, Some("small")), (2, Some(huge.as_str())), (3, Some("small too"))];
        let applied = apply(&target, &spec, &[], &[], &updates).await.expect("the others are written");
        assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [1]);
        assert!(applied.rejects[0].reason.contains("max_allowed_packet"), "{:?}", applied.rejects[0].reason);
    }
}

/// Texts that JSON escapes, as updates by either way.
#[tokio::test]
async fn characters_of_all_kinds_survive_an_update() {
    let texts =
        ["a\0b", "\u{1}\u{1f}\u{7f}", "\"\\/\u{8}", "🙂é\u{fffd}", "\\u0041", "\t\n\r", "{\"a\":[1]}"];
    for server in servers() {
        for options in ["", "local-infile=never"] {
            let table = server.table("odd", TABLE);
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            let of = |text| (0..).zip(text).map(|(id, text)| (id, Some(text))).collect::<Vec<_>>();
            apply(&target, &spec, &[], &of(["x"; 7]), &[]).await.expect("written");
            let applied = apply(&target, &spec, &[], &[], &of(texts)).await.expect("written");
            assert_eq!(applied.rejects, []);
            let ids: Vec<i64> = (0..7).collect();
            let read = target.read(&spec, &keys(&spec, &ids)).await.expect("rows");
            assert_eq!(read, rows(&spec, &of(texts)), "{options}");
        }
    }
}

/// A key of zero in a column that counts by itself stays zero.
#[tokio::test]
async fn zero_is_a_key_like_any_other_even_where_the_column_counts() {
    for server in servers() {
        for options in ["", "local-infile=never"] {
            let table = server.table("counted", "id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(20)");
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            apply(&target, &spec, &[], &[(0, Some("zero")), (5, Some("five"))], &[(-1, Some("less"))])
                .await
                .expect("written");
            assert_eq!(server.sql(&format!("SELECT id FROM {} ORDER BY id", table.name)), "-1\n0\n5");
        }
    }
}

#[tokio::test]
async fn a_mode_that_only_inserts_or_only_updates_works_by_either_way() {
    for server in servers() {
        for (options, mode) in [
            ("", Mode::Insert),
            ("", Mode::Update),
            ("local-infile=never", Mode::Insert),
            ("local-infile=never", Mode::Update),
        ] {
            let table = server.table("modes", TABLE);
            server.sql(&format!("INSERT INTO {} VALUES (1, 'old'), (3, 'old')", table.name));
            let mut spec = spec(&table.name);
            spec.mode = mode;
            let target = target(&server.url(options));
            apply(&target, &spec, &[3], &[(1, Some("new")), (2, Some("new"))], &[(3, Some("new"))])
                .await
                .expect("written");
            let expected = if mode == Mode::Insert { "1\told\n2\tnew\n3\told" } else { "1\tnew\n3\tnew" };
            assert_eq!(
                server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)),
                expected,
                "{mode:?} {options}"
            );
        }
    }
}

/// Nothing of a batch is left in the session, and the temporary table is not either.
#[tokio::test]
async fn a_temporary_table_does_not_outlive_its_batch() {
    let [server, _] = servers();
    // As many columns as no other test has: 2 of the temporary table's own and 3 of InnoDB's come to them.
    let names: Vec<String> = (0..41).map(|i| format!("c{i}")).collect();
    let columns: Vec<String> = names.iter().map(|name| format!("{name} bigint")).collect();
    let table = server.table("stage", &format!("id bigint PRIMARY KEY, {}", columns.join(", ")));
    let columns: Vec<_> =
        std::iter::once("id").chain(names.iter().map(String::as_str)).map(|name| (name, INT)).collect();
    let (target, spec) = (server.target(), spec_of(&table.name, &columns));
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let row = RecordBatch::try_new(spec.shape.schema(), vec![one; columns.len()]).expect("a row");
    let applied = write(&target, &spec, None, Some(row)).await.expect("written");
    assert_eq!(applied.path, "merge");
    let left = "SELECT COUNT(*) FROM information_schema.INNODB_TEMP_TABLE_INFO WHERE N_COLS = 47";
    assert_eq!(server.sql(left), "0");
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_busy_within_seconds_and_nothing_is_lost() {
    for server in servers() {
        for options in ["", "local-infile=never"] {
            let table = server.table("locked", TABLE);
            server.sql(&format!("INSERT INTO {} VALUES (1, 'a')", table.name));
            let held = server.hold(&format!("SELECT id FROM {} WHERE id = 1 FOR UPDATE", table.name));
            let (target, spec) =
                (target(&server.url(&format!("lock-timeout=2&{options}"))), spec(&table.name));
            let begun = std::time::Instant::now();
            let busy = apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect_err("locked");
            assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
            assert!(busy.to_string().contains("another session holds a lock"), "{busy}");
            assert!((1..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
            drop(held);
            apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("free again");
            assert_eq!(server.sql(&format!("SELECT name FROM {}", table.name)), "b");
        }
    }
}

/// The table's own lock, which a schema change waits for and others behind it.
#[tokio::test]
async fn a_table_that_is_being_changed_is_busy_within_seconds() {
    for server in servers() {
        let table = server.table("changed", TABLE);
        let held = server.hold(&format!("LOCK TABLES {} WRITE", table.name));
        let (target, spec) = (target(&server.url("lock-timeout=2")), spec(&table.name));
        let busy = apply(&target, &spec, &[], &[(1, Some("a"))], &[]).await.expect_err("locked");
        assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
        drop(held);
    }
}

#[tokio::test]
async fn a_deadlock_is_a_conflict_that_another_try_gets_over() {
    for server in servers() {
        let (table, other) = (server.table("dead", TABLE), server.table("dead_b", TABLE));
        server.sql(&format!(
            "INSERT INTO {} VALUES (1, 'a'), (2, 'a'); INSERT INTO {} VALUES (1, 'b')",
            table.name, other.name
        ));
        // The trigger of the first row wants a row that the other session holds, which then wants the second row.
        server.sql(&format!(
            "CREATE TRIGGER {} BEFORE UPDATE ON {} FOR EACH ROW UPDATE {} SET name = 'hydrant' WHERE id = 1",
            fresh("trigger"),
            table.name,
            other.name
        ));
        let (target, spec) = (Arc::new(server.target()), spec(&table.name));
        // More rows changed on the other side make hydrant the one that gives way.
        server.sql(&format!("INSERT INTO {} SELECT n, 'x' FROM (WITH RECURSIVE s(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM s WHERE n < 500) SELECT n FROM s) q", other.name));
        let script = format!(
            "SET SESSION innodb_lock_wait_timeout = 20; UPDATE {o} SET name = 'y'; DO SLEEP(1); UPDATE {t} SET name = 'theirs' WHERE id = 2",
            o = other.name,
            t = table.name
        );
        let sync = fresh("sync");
        target.claim(&sync, 1).await.expect("claimed");
        let mut batch = first(&spec, &sync);
        batch.updates = rows(&spec, &[(1, Some("ours")), (2, Some("ours"))]);
        let port = server.port();
        let maria = server.maria;
        let session = std::thread::spawn(move || {
            let [mysql, mariadb] = servers();
            let server = if maria { mariadb } else { mysql };
            assert_eq!(server.port(), port);
            drop(server.hold(&script));
        });
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let error = target.apply(&batch).await.expect_err("a deadlock");
        session.join().expect("the other session");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let applied = target.apply(&batch).await.expect("another try");
        assert_eq!(refusals(&applied), []);
        assert_eq!(server.sql(&format!("SELECT GROUP_CONCAT(name) FROM {}", table.name)), "ours,ours");
    }
}

/// A trigger that takes its time: MariaDB ends the statement itself, on MySQL nothing limits one that writes.
#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_on_the_server_too() {
    for server in servers() {
        let table = server.table("slow", TABLE);
        server.sql(&format!("INSERT INTO {} VALUES (1, 'a')", table.name));
        let trigger = fresh("trigger");
        server.sql(&format!(
            "CREATE TRIGGER {trigger} BEFORE UPDATE ON {} FOR EACH ROW SET NEW.name = CONCAT('x', SLEEP(100))",
            table.name
        ));
        let (target, spec) = (target(&server.url("statement-timeout=1")), spec(&table.name));
        let busy = apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect_err("too slow");
        assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
        server.sql(&format!("DROP TRIGGER {trigger}"));
        apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("nobody holds the row any more");
    }
}
