//! A scan costs the same at both ends of a large table.

use crate::{INT, servers, spec_of};
use hydrant_contract::{Cursor, Shape, Target, ValueType};
use std::sync::Arc;

/// How many rows the server reads for a statement, by its own counters, on a target's one connection.
fn reads(server: &crate::Server) -> u64 {
    let of = "SELECT SUM(VARIABLE_VALUE) FROM {}.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT')";
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
        let mut spec = spec_of(&table.name, &[("v", INT), ("a", INT), ("b", ValueType::Text), ("c", ValueType::Date)]);
        spec.shape =
            Shape::new(spec.shape.columns().to_vec(), vec!["a".into(), "b".into(), "c".into()]).expect("a shape");
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
