//! A scan costs the same at both ends of a large table.

use crate::{INT, servers, spec_of};
use hydrant_contract::{Cursor, Shape, Target, ValueType};
use std::sync::Arc;

/// How many rows the server reads for a statement, by its own counters, on a target's one connection.
fn reads(server: &crate::Server) -> u64 {
    let of = "SELECT SUM(VARIABLE_VALUE) FROM {}.global_status WHERE VARIABLE_NAME IN ('HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT')";
    let schema = if server.maria { "information_schema" } else { "performance_schema" };
    server.sql(&of.replace("{}", schema)).split('.').next().expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn a_piece_in_the_middle_of_a_composite_key_reads_no_more_than_it_returns() {
    for server in servers() {
        let collation = if server.maria { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" };
        let table = server.table(
            "deep",
            &format!("a bigint NOT NULL, b varchar(20) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL, c date NOT NULL, v int, PRIMARY KEY (a, b, c)"),
        );
        server.sql(&format!(
            "SET SESSION {}; INSERT INTO {} WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 99999) \
             SELECT n DIV 30000, CONCAT('b', n DIV 100), DATE_ADD('2000-01-01', INTERVAL n DAY), n FROM s",
            if server.maria { "max_recursive_iterations = 1000000" } else { "cte_max_recursion_depth = 1000000" },
            table.name
        ));
        let mut spec =
            spec_of(&table.name, &[("v", INT), ("a", INT), ("b", ValueType::Text), ("c", ValueType::Date)]);
        spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["a".into(), "b".into(), "c".into()])
            .expect("a shape");
        let spec = Arc::new(spec);
        let target = server.target();
        let (mut after, mut rows): (Option<Cursor>, usize) = (None, 0);
        let mut worst = u64::MAX;
        loop {
            let before = reads(&server);
            let piece = target.scan(&spec, after.as_ref(), 5_000).await.expect("a piece");
            // Other tests read at the same time: the cheapest piece of those past the first is what counts.
            if after.is_some() {
                worst = worst.min(reads(&server) - before);
            }
            rows += piece.rows.num_rows();
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(rows, 100_000);
        assert!(worst < 15_000, "a piece of 5000 rows reads {worst}");
    }
}

/// Dates that are none, which a lax application has written, are no end of the table.
#[tokio::test]
async fn keys_that_are_no_dates_are_passed_and_counted() {
    for server in servers() {
        for (kind, value) in [
            ("date", ValueType::Date),
            ("datetime(6)", ValueType::Timestamp(hydrant_contract::Resolution::Micro)),
        ] {
            let table = server.table("zero", &format!("k {kind} NOT NULL PRIMARY KEY, v bigint"));
            server.sql(&format!(
                "SET sql_mode = ''; INSERT INTO {} VALUES ('0000-00-00', 1), ('2000-00-00', 2), ('2000-01-00', 3), ('2000-01-01', 4), ('2024-02-29', 5)",
                table.name
            ));
            let spec = Arc::new(spec_of(&table.name, &[("k", value), ("v", INT)]));
            let target = server.target();
            let (mut after, mut rows, mut foreign): (Option<Cursor>, usize, u64) = (None, 0, 0);
            for _ in 0..10 {
                let piece = target.scan(&spec, after.as_ref(), 1).await.expect("a piece");
                rows += piece.rows.num_rows();
                foreign += piece.foreign;
                after = piece.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((rows, foreign), (2, 3), "{kind}, MariaDB: {}", server.maria);
        }
    }
}

/// MySQL 8 and MariaDB keep columns of an index in the order that was asked for.
#[tokio::test]
async fn an_index_that_descends_is_scanned_in_its_own_order() {
    for server in servers() {
        let table =
            server.table("desc_", "a bigint NOT NULL, b bigint NOT NULL, v bigint, PRIMARY KEY (a DESC, b)");
        server.sql(&format!(
            "INSERT INTO {} SELECT n DIV 7, n % 7, n FROM (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 99) SELECT n FROM s) q",
            table.name
        ));
        let mut spec = spec_of(&table.name, &[("v", INT), ("a", INT), ("b", INT)]);
        spec.shape =
            Shape::new(spec.shape.columns().to_vec(), vec!["a".into(), "b".into()]).expect("a shape");
        let (spec, target) = (Arc::new(spec), server.target());
        let (mut after, mut rows): (Option<Cursor>, usize) = (None, 0);
        loop {
            let piece = target.scan(&spec, after.as_ref(), 9).await.expect("a piece");
            rows += piece.rows.num_rows();
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(rows, 100);
    }
}

#[tokio::test]
async fn a_key_of_mariadb_s_own_uuids_is_written_read_and_scanned() {
    let [_, server] = servers();
    let table = server.table("uuids", "k uuid NOT NULL PRIMARY KEY, v bigint");
    let spec = Arc::new(spec_of(&table.name, &[("k", ValueType::Uuid), ("v", INT)]));
    let uuids: Vec<[u8; 16]> = (0..20_u8).map(|n| [n; 16]).collect();
    for options in ["", "local-infile=never"] {
        server.sql(&format!("DELETE FROM {}", table.name));
        let target = crate::target(&server.url(options));
        crate::fits(&target, &spec).await;
        let of = |v: i64| {
            let keys =
                arrow::array::FixedSizeBinaryArray::try_from_iter(uuids.iter()).expect("16 bytes each");
            let values = arrow::array::Int64Array::from(vec![v; 20]);
            let arrays: Vec<arrow::array::ArrayRef> = vec![Arc::new(keys), Arc::new(values)];
            arrow::record_batch::RecordBatch::try_new(spec.shape.schema(), arrays).expect("rows")
        };
        crate::write(&target, &spec, Some(of(1)), None).await.expect("written");
        crate::write(&target, &spec, None, Some(of(2))).await.expect("written");
        let keys = of(2).project(&[0]).expect("keys");
        let keys =
            arrow::record_batch::RecordBatch::try_new(spec.shape.key_schema(), keys.columns().to_vec())
                .expect("keys");
        assert_eq!(target.read(&spec, &keys).await.expect("rows").num_rows(), 20);
        let (mut after, mut rows): (Option<Cursor>, usize) = (None, 0);
        loop {
            let piece = target.scan(&spec, after.as_ref(), 3).await.expect("a piece");
            rows += piece.rows.num_rows();
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((rows, server.sql(&format!("SELECT SUM(v) FROM {}", table.name)).as_str()), (20, "40"));
    }
}
