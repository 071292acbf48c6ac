//! What tables do to rows: constraints, foreign keys, triggers, partitions.

use crate::{INT, apply, refusals, rows, servers, spec, spec_of, target, write};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use hydrant_contract::{Part, Target, ValueType};
use std::sync::Arc;

#[tokio::test]
async fn rows_that_a_trigger_refuses_are_rejects_with_its_words() {
    for server in servers() {
        let table = server.table("triggered", "id bigint PRIMARY KEY, name varchar(50)");
        server.sql(&format!(
            "DELIMITER //\nCREATE TRIGGER t_{t} BEFORE INSERT ON {t} FOR EACH ROW BEGIN IF NEW.name = 'raise' THEN \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'; END IF; SET NEW.name = UPPER(NEW.name); END//\n",
            t = table.name
        ));
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {}", table.name));
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            let inserts = [(1, Some("a")), (2, Some("raise")), (4, Some("b"))];
            let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
            let reasons: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.reason.as_str())).collect();
            assert_eq!(reasons, [(1, "not today [1644]")]);
            assert_eq!(server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)), "1\tA\n4\tB");
        }
    }
}

#[tokio::test]
async fn foreign_keys_refuse_single_rows() {
    for server in servers() {
        let parent = server.table("parent", "name varchar(20) PRIMARY KEY");
        let table = server.table(
            "child",
            &format!(
                "id bigint PRIMARY KEY, name varchar(20), FOREIGN KEY (name) REFERENCES {} (name)",
                parent.name
            ),
        );
        let grandchild =
            server.table("grand", &format!("id bigint, FOREIGN KEY (id) REFERENCES {} (id)", table.name));
        server.sql(&format!("INSERT INTO {} VALUES ('x'), ('y')", parent.name));
        let (target, spec) = (server.target(), spec(&table.name));
        let inserts = [(1, Some("x")), (2, Some("none")), (3, Some("y")), (4, None)];
        let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
        assert_eq!(applied.rejects.iter().map(|r| (r.row, r.may_settle)).collect::<Vec<_>>(), [(1, true)]);
        server.sql(&format!("INSERT INTO {} VALUES (3)", grandchild.name));
        let applied = apply(&target, &spec, &[1, 3, 9], &[], &[(4, Some("none"))]).await.expect("written");
        let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row, r.may_settle)).collect();
        assert_eq!(refused, [(Part::Deletes, 1, true), (Part::Updates, 0, true)]);
        assert_eq!(server.sql(&format!("SELECT id FROM {} ORDER BY id", table.name)), "3\n4");
        drop((grandchild, table, parent));
    }
}

#[tokio::test]
async fn deletes_that_cascade_take_the_application_s_rows_with_them_as_it_said() {
    for server in servers() {
        let table = server.table("casc", "id bigint PRIMARY KEY, name varchar(20)");
        let child = server.table(
            "casc_c",
            &format!(
                "id bigint PRIMARY KEY, p bigint, FOREIGN KEY (p) REFERENCES {} (id) ON DELETE CASCADE",
                table.name
            ),
        );
        server.sql(&format!(
            "INSERT INTO {} VALUES (1, 'a'), (2, 'b'); INSERT INTO {} VALUES (10, 1), (20, 2)",
            table.name, child.name
        ));
        apply(&server.target(), &spec(&table.name), &[1], &[], &[]).await.expect("deleted");
        assert_eq!(server.sql(&format!("SELECT id FROM {}", child.name)), "20");
        drop((child, table));
    }
}

#[tokio::test]
async fn rows_that_refer_to_one_another_are_written_whatever_their_order() {
    for server in servers() {
        let table = server.table("tree", "id bigint PRIMARY KEY, name bigint, CHECK (id <> 5)");
        server.sql(&format!("ALTER TABLE {t} ADD FOREIGN KEY (name) REFERENCES {t} (id)", t = table.name));
        let spec = spec_of(&table.name, &[("id", INT), ("name", INT)]);
        // The first refers to the second, and a bad row forces the search.
        let (ids, parents) = (vec![1, 2, 5, 4], vec![Some(2), None, None, Some(77)]);
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(ids)), Arc::new(Int64Array::from(parents))];
        let inserts = RecordBatch::try_new(spec.shape.schema(), arrays).expect("rows");
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {} ORDER BY id", table.name));
            let applied = write(&target(&server.url(options)), &spec, Some(inserts.clone()), None)
                .await
                .expect("written");
            assert_eq!(
                applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(),
                [3, 2],
                "{:?}",
                applied.rejects
            );
            assert_eq!(server.sql(&format!("SELECT id FROM {} ORDER BY id", table.name)), "1\n2");
        }
    }
}

#[tokio::test]
async fn a_partitioned_table_is_written_and_refuses_what_no_partition_takes() {
    for server in servers() {
        let table = server.table_with(
            "parts",
            "id bigint PRIMARY KEY, name varchar(20)",
            "PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20))",
        );
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {}", table.name));
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            crate::fits(&target, &spec).await;
            let inserts = [(1, Some("a")), (11, Some("b")), (99, Some("c"))];
            let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
            assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [2]);
            apply(&target, &spec, &[1], &[], &[(11, Some("B"))]).await.expect("written");
            assert_eq!(server.sql(&format!("SELECT id, name FROM {}", table.name)), "11\tB");
        }
    }
}

/// The unique index takes the same letters for one, the query does not.
#[tokio::test]
async fn a_unique_column_that_folds_case_refuses_the_second_of_two_and_lets_them_swap() {
    for server in servers() {
        let table = server.table(
            "fold",
            "id bigint PRIMARY KEY, name varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci UNIQUE",
        );
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {}", table.name));
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            crate::fits(&target, &spec).await;
            let applied =
                apply(&target, &spec, &[], &[(1, Some("a")), (2, Some("A")), (3, Some("c"))], &[]).await;
            let applied = applied.expect("written");
            assert_eq!(
                applied.rejects.iter().map(|r| (r.row, r.may_settle)).collect::<Vec<_>>(),
                [(1, true)]
            );
            assert!(applied.rejects[0].reason.contains("\"name\""), "{:?}", applied.rejects[0].reason);
            // A change of case alone is a change; and a swap is one across case.
            apply(&target, &spec, &[], &[], &[(1, Some("A"))]).await.expect("written");
            let applied =
                apply(&target, &spec, &[], &[], &[(1, Some("C")), (3, Some("a"))]).await.expect("written");
            assert_eq!(applied.rejects, []);
            assert_eq!(server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)), "1\tC\n3\ta");
        }
    }
}

#[tokio::test]
async fn reasons_hold_no_values() {
    for server in servers() {
        let table = server.table("secret", "id bigint PRIMARY KEY, name varchar(20) UNIQUE");
        server.sql(&format!("INSERT INTO {} VALUES (1, 'hush-hush')", table.name));
        let applied = apply(&server.target(), &spec(&table.name), &[], &[(2, Some("hush-hush"))], &[])
            .await
            .expect("written");
        assert_eq!(applied.rejects.len(), 1);
        assert!(!applied.rejects[0].reason.contains("hush"), "{}", applied.rejects[0].reason);
    }
}

#[tokio::test]
async fn unmanaged_columns_are_not_touched_but_by_what_the_application_said() {
    for server in servers() {
        let table = server.table(
            "quiet",
            "id bigint PRIMARY KEY, name varchar(20), own varchar(20) DEFAULT 'mine', seen timestamp(6) NULL ON UPDATE CURRENT_TIMESTAMP(6), \
             twice varchar(40) AS (CONCAT(name, name)) STORED",
        );
        let (target, spec) = (server.target(), spec(&table.name));
        crate::fits(&target, &spec).await;
        apply(&target, &spec, &[], &[(1, Some("a")), (2, Some("b"))], &[]).await.expect("written");
        apply(&target, &spec, &[], &[], &[(1, Some("x"))]).await.expect("written");
        let found =
            server.sql(&format!("SELECT id, name, own, twice, seen IS NULL FROM {} ORDER BY id", table.name));
        assert_eq!(found, "1\tx\tmine\txx\t0\n2\tb\tmine\tbb\t1");
        let read = target.read(&spec, &crate::keys(&spec, &[1])).await.expect("a row");
        assert_eq!(read, rows(&spec, &[(1, Some("x"))]));
    }
}

#[tokio::test]
async fn values_that_the_server_would_cut_are_refused_with_their_column() {
    for server in servers() {
        let table = server.table("cut", "id smallint PRIMARY KEY, name char(3)");
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {}", table.name));
            let (target, spec) = (target(&server.url(options)), spec(&table.name));
            let inserts = [(1, Some("abc")), (70_000, None), (2, Some("a ")), (3, Some("abcd"))];
            let applied = apply(&target, &spec, &[70_001], &inserts, &[]).await.expect("written");
            assert_eq!(refusals(&applied), [(1, Some("id")), (2, Some("name")), (3, Some("name"))]);
            assert_eq!(server.sql(&format!("SELECT id FROM {}", table.name)), "1");
        }
    }
}

/// JSON of MySQL keeps a number as a 64-bit integer or a float; a text column keeps all digits.
#[tokio::test]
async fn json_numbers_that_would_lose_digits_are_refused_where_they_would() {
    for server in servers() {
        let table = server.table("json", "id bigint PRIMARY KEY, doc json");
        let spec = spec_of(&table.name, &[("id", INT), ("doc", ValueType::Json)]);
        let docs = [
            r#"{"a":18446744073709551615,"b":[0.1,1e300]}"#,
            "12345678901234567890.123",
            "1e400",
            "not JSON",
        ];
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2, 3, 4])), Arc::new(StringArray::from(docs.to_vec()))];
        let inserts = RecordBatch::try_new(spec.shape.schema(), arrays).expect("rows");
        let applied = write(&server.target(), &spec, Some(inserts), None).await.expect("written");
        let expected: &[usize] = if server.maria { &[3] } else { &[1, 2, 3] };
        assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), expected);
        if server.maria {
            assert_eq!(server.sql(&format!("SELECT doc FROM {} WHERE id = 2", table.name)), docs[1]);
        }
    }
}
