//! What columns can hold and tell apart.

use crate::{INT, apply, fits, fresh, mismatches, refusals, servers, spec, spec_of, target, write};
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use hydrant_contract::{
    Deletes, Digits, ErrorKind, Inspection, Integer, Limits, Mode, Resolution, Shape, SoftMark, Target,
    ValueType,
};
use std::sync::Arc;

#[tokio::test]
async fn limits_of_every_type_are_read_from_the_catalog() {
    for server in servers() {
        let table = server.table(
            "limits",
            "id bigint PRIMARY KEY, small smallint unsigned, price decimal(5, 2), whole mediumint, code char(3), name varchar(7) NOT NULL, \
             free text, at timestamp(3) NULL, wall datetime, day date, clock time(0), flags bit(5), born year, ratio float, uns decimal(6,2) unsigned",
        );
        let decimal = |precision, scale| ValueType::Decimal { precision, scale };
        let columns = [
            ("id", INT),
            ("small", INT),
            ("price", decimal(20, 4)),
            ("whole", decimal(20, 0)),
            ("code", ValueType::Text),
            ("name", ValueType::Text),
            ("free", ValueType::Text),
            ("at", ValueType::Instant(Resolution::Micro)),
            ("wall", ValueType::Timestamp(Resolution::Nano)),
            ("day", ValueType::Date),
            ("clock", ValueType::Time(Resolution::Micro)),
            ("flags", INT),
            ("born", ValueType::Integer(Integer::I16)),
            ("ratio", ValueType::Float32),
            ("uns", decimal(6, 2)),
        ];
        let spec = spec_of(&table.name, &columns);
        let inspection = server.target().inspect(&spec).await.expect("an inspection");
        let Inspection::Present { mismatches, limits } = inspection else { panic!("it is there") };
        assert_eq!(mismatches, []);
        let none = Limits::none;
        let expected = [
            Limits { not_null: true, ..none("id") },
            Limits { range: Some((0, 65_535)), ..none("small") },
            Limits { digits: Some(Digits { precision: 5, scale: 2 }), ..none("price") },
            Limits { range: Some((-8_388_608, 8_388_607)), ..none("whole") },
            Limits { characters: Some(3), no_space_at_end: true, ..none("code") },
            Limits { characters: Some(7), not_null: true, ..none("name") },
            none("free"),
            Limits { range: Some((1_000_000, 2_147_483_647_999_000)), second_digits: Some(3), ..none("at") },
            Limits { second_digits: Some(0), ..none("wall") },
            Limits { range: Some((-719_162, 2_932_896)), ..none("day") },
            Limits { second_digits: Some(0), ..none("clock") },
            Limits { range: Some((0, 31)), ..none("flags") },
            Limits { range: Some((1901, 2155)), ..none("born") },
            Limits { no_nan: true, ..none("ratio") },
            Limits { range: Some((0, 999_999)), ..none("uns") },
        ];
        assert_eq!(limits, expected);
    }
}

/// Two keys that the table takes for one would be written over each other, and the delete of one would delete both.
#[tokio::test]
async fn a_key_whose_collation_calls_different_keys_equal_is_a_mismatch_with_its_mend() {
    for server in servers() {
        for collation in ["utf8mb4_general_ci", "utf8mb4_unicode_ci"] {
            let table = server.table(
                "alike",
                &format!("id bigint, name varchar(20) CHARACTER SET utf8mb4 COLLATE {collation} PRIMARY KEY"),
            );
            let mut spec = spec(&table.name);
            spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["name".into()]).expect("a shape");
            let target = server.target();
            let found = mismatches(&target, &spec).await;
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].problem.contains(collation), "{found:?}");
            server.sql(&found[0].mend);
            fits(&target, &spec).await;
            server.sql(&format!("INSERT INTO {} VALUES (1, 'a'), (2, 'A'), (3, 'a ')", table.name));
        }
    }
}

/// The commonest binary collation takes `a` and `a ` for one key: the second is refused rather than merged.
#[tokio::test]
async fn under_a_collation_that_pads_keys_with_a_space_at_the_end_are_refused() {
    for server in servers() {
        let table = server.table(
            "padded",
            "id bigint, name varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY",
        );
        let mut spec = spec(&table.name);
        spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["name".into()]).expect("a shape");
        for options in ["", "local-infile=never"] {
            server.sql(&format!("DELETE FROM {}", table.name));
            let target = target(&server.url(options));
            let Inspection::Present { mismatches, limits } = target.inspect(&spec).await.expect("inspected")
            else {
                panic!("it is there")
            };
            assert_eq!(mismatches, []);
            assert!(limits[1].no_space_at_end && limits[1].characters == Some(20), "{limits:?}");
            let inserts = [(1, Some("a")), (2, Some("a ")), (3, Some("A")), (4, Some(" a"))];
            let sync = fresh("sync");
            target.claim(&sync, 1).await.expect("claimed");
            let mut batch = crate::first(&spec, &sync);
            batch.inserts = crate::rows(&spec, &inserts);
            let applied = target.apply(&batch).await.expect("written");
            assert_eq!(refusals(&applied), [(1, Some("name"))]);
            assert_eq!(server.sql(&format!("SELECT COUNT(*) FROM {}", table.name)), "3");
        }
    }
}

fn texts(spec: &hydrant_contract::TableSpec, values: &[&str]) -> RecordBatch {
    let ids: Vec<i64> = (0..).take(values.len()).collect();
    let arrays: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(values.to_vec()))];
    RecordBatch::try_new(spec.shape.schema(), arrays).expect("rows")
}

#[tokio::test]
async fn texts_go_to_enums_sets_latin1_and_json_exactly_or_not_at_all() {
    for server in servers() {
        let cases: [(&str, &[&str], &[usize]); 5] = [
            ("enum('small','Big','it''s')", &["small", "big", "it's", "", "Big"], &[1, 3]),
            ("set('a','b','c')", &["a,c", "c,a", "", "a,a", "d"], &[1, 3, 4]),
            ("varchar(9) CHARACTER SET latin1", &["naïve", "€", "日本", "ł", "plain"], &[2, 3]),
            ("tinytext CHARACTER SET utf8mb3", &["日本", "🙂", "a"], &[1]),
            ("json", &[r#"{"a":1}"#, "{", "null", "[1,2]"], &[1]),
        ];
        for (sql, values, refused) in cases {
            for options in ["", "local-infile=never"] {
                let table = server.table("texts", &format!("id bigint PRIMARY KEY, name {sql}"));
                let (target, spec) = (target(&server.url(options)), spec(&table.name));
                fits(&target, &spec).await;
                let batch = texts(&spec, values);
                let applied = write(&target, &spec, Some(batch.clone()), None).await.expect("written");
                // MariaDB's JSON is a text with a constraint, which names no column.
                let column = (sql != "json" || !server.maria).then_some("name");
                let expected: Vec<_> = refused.iter().map(|row| (*row, column)).collect();
                assert_eq!(refusals(&applied), expected, "{sql} {options}");
                // The other way rows take, over the same values.
                let applied = write(&target, &spec, None, Some(batch)).await.expect("written");
                assert_eq!(refusals(&applied), expected, "{sql} {options}");
                let ids: Vec<i64> = (0..).take(values.len()).collect();
                let read = target.read(&spec, &crate::keys(&spec, &ids)).await.expect("rows");
                assert_eq!(read.num_rows(), values.len() - refused.len());
                let found =
                    server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)).replace(' ', "");
                for (id, value) in values.iter().enumerate().filter(|(id, _)| !refused.contains(id)) {
                    assert!(found.contains(&format!("{id}\t{value}")), "{id} {value} in {found}");
                }
            }
        }
    }
}

#[tokio::test]
async fn whole_numbers_go_to_bits_years_and_unsigned_columns_and_come_back() {
    for server in servers() {
        let cases: [(&str, &[i64], &[usize]); 4] = [
            ("bit(9)", &[0, 511, 512, -1, 258], &[2, 3]),
            ("year", &[1901, 2155, 1900, 0, 24, 2024], &[2, 3, 4]),
            ("int unsigned", &[0, 4_294_967_295, 4_294_967_296, -1], &[2, 3]),
            ("tinyint unsigned", &[255, 256, 0], &[1]),
        ];
        for (sql, values, refused) in cases {
            for options in ["", "local-infile=never"] {
                let table = server.table("numbers", &format!("id bigint PRIMARY KEY, n {sql}"));
                let spec = spec_of(&table.name, &[("id", INT), ("n", INT)]);
                let target = target(&server.url(options));
                let ids: Vec<i64> = (0..).take(values.len()).collect();
                let of = |values: Vec<i64>| {
                    let arrays: Vec<ArrayRef> =
                        vec![Arc::new(Int64Array::from(ids.clone())), Arc::new(Int64Array::from(values))];
                    RecordBatch::try_new(spec.shape.schema(), arrays).expect("rows")
                };
                let expected: Vec<_> = refused.iter().map(|row| (*row, Some("n"))).collect();
                let applied = write(&target, &spec, Some(of(values.to_vec())), None).await.expect("written");
                assert_eq!(refusals(&applied), expected, "{sql} {options}");
                let turned: Vec<i64> = values.iter().rev().copied().collect();
                write(&target, &spec, None, Some(of(turned))).await.expect("written");
                let found = server.sql(&format!("SELECT n + 0 FROM {} ORDER BY id", table.name));
                let back = target.read(&spec, &crate::keys(&spec, &ids)).await.expect("rows");
                assert_eq!(back.num_rows(), found.lines().count());
            }
        }
    }
}

#[tokio::test]
async fn every_mismatch_is_shown_at_once() {
    for server in servers() {
        let table = server.table_with(
            "differs",
            "id varchar(20), name datetime, code varchar(9) NOT NULL, twice int AS (1 + 1) STORED, ratio float(7,2), \
             UNIQUE (id(5))",
            "ENGINE=MyISAM",
        );
        let columns = [
            ("id", INT),
            ("name", ValueType::Text),
            ("twice", ValueType::Integer(Integer::I32)),
            ("gone", ValueType::Text),
            ("ratio", ValueType::Float32),
        ];
        let found: Vec<String> = mismatches(&server.target(), &spec_of(&table.name, &columns))
            .await
            .iter()
            .map(ToString::to_string)
            .collect();
        for wanted in [
            "ENGINE=InnoDB",
            "the column is varchar(20)",
            "the column is datetime",
            "generates it from other columns",
            "ADD COLUMN `gone` LONGTEXT",
            "the column is float(7,2)",
            "ADD UNIQUE INDEX (`id`)",
            "NOT NULL without a default",
        ] {
            assert_eq!(found.iter().filter(|m| m.contains(wanted)).count(), 1, "{wanted} in {found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
        let view = fresh("view");
        server.sql(&format!("CREATE VIEW {view} AS SELECT 1 AS id, '' AS name"));
        let found = mismatches(&server.target(), &spec(&view)).await;
        assert!(found.len() == 1 && found[0].problem.contains("is a view"), "{found:?}");
        server.sql(&format!("DROP VIEW {view}"));
    }
}

/// What was written could not be rolled back.
#[tokio::test]
async fn a_table_without_transactions_is_refused_before_a_row_is_written() {
    for server in servers() {
        let table = server.table_with("isam", "id bigint PRIMARY KEY, name varchar(20)", "ENGINE=MyISAM");
        let (target, spec) = (server.target(), spec(&table.name));
        let found = mismatches(&target, &spec).await;
        assert!(found.len() == 1 && found[0].problem.contains("MyISAM"), "{found:?}");
        let error = apply(&target, &spec, &[], &[(1, Some("a"))], &[]).await.expect_err("no transactions");
        assert_eq!(error.kind(), ErrorKind::ShapeDiffers, "{error}");
        server.sql(&found[0].mend);
        fits(&target, &spec).await;
        apply(&target, &spec, &[], &[(1, Some("a"))], &[]).await.expect("written");
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_said_before_it_is_tried() {
    for server in servers() {
        let target = server.target();
        let wide = ValueType::Decimal { precision: 76, scale: 30 };
        let cases = [
            (spec(&"n".repeat(65)), "65 characters"),
            (spec_of("t", &[("id", INT), ("Id", INT)]), "without regard to case"),
            (spec_of("t", &[("id", INT), ("d", wide)]), "DECIMAL(65, 30)"),
        ];
        for (mut spec, about) in cases {
            spec.table.name = if spec.table.name == "t" { fresh("t") } else { spec.table.name };
            let error = target.inspect(&spec).await.expect_err(about);
            assert_eq!(error.kind(), ErrorKind::ShapeDiffers, "{error}");
            assert!(error.to_string().contains(about), "{error}");
        }
    }
}

/// Managed services switch it on; hydrant's own and created tables have keys. (Temporary ones too; a unit test says so.)
#[tokio::test]
async fn a_server_that_requires_primary_keys_is_content() {
    let [server, _] = servers();
    let database = fresh("keyed");
    server.sql(&format!("CREATE DATABASE {database}"));
    let account = server.account("IDENTIFIED BY 'pw'");
    let mut spec = spec("made");
    spec.table.schema = Some(database.clone());
    let Inspection::Absent { statements, .. } = server.target().inspect(&spec).await.expect("inspected")
    else {
        panic!("it is absent")
    };
    server.sql(&format!("GRANT SELECT ON {database}.* TO '{}'@'%'", account.name));
    let way_in =
        server.through(&account.name, "pw", "127.0.0.1", "").replace("/test", &format!("/{database}"));
    let denied = target(&way_in).claim("s", 1).await.expect_err("no right to make tables").to_string();
    let own = denied.replace(": CREATE", "; CREATE");
    let own = own.split("; ").filter(|part| part.starts_with("CREATE TABLE")).map(str::to_owned);
    let all: Vec<String> = statements.into_iter().chain(own).collect();
    assert_eq!(all.len(), 3, "{all:?}");
    let made =
        server.sql(&format!("SET SESSION sql_require_primary_key = ON; {}; SELECT 'made'", all.join("; ")));
    server.sql(&format!("DROP DATABASE {database}"));
    assert_eq!(made, "made");
}

/// A table whose only primary key is one that nobody sees.
#[tokio::test]
async fn an_invisible_primary_key_and_invisible_columns_are_left_alone() {
    let [server, _] = servers();
    let table = server.table(
        "gipk",
        "my_row_id bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, id bigint NOT NULL UNIQUE, name varchar(20)",
    );
    for options in ["", "local-infile=never"] {
        server.sql(&format!("DELETE FROM {}", table.name));
        let (target, spec) = (target(&server.url(options)), spec(&table.name));
        fits(&target, &spec).await;
        apply(&target, &spec, &[], &[(1, Some("a")), (2, Some("b"))], &[]).await.expect("written");
        apply(&target, &spec, &[1], &[], &[(2, Some("B")), (3, None)]).await.expect("written");
        assert_eq!(server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)), "2\tB\n3\tNULL");
    }
}

#[tokio::test]
async fn instants_go_to_timestamps_and_datetimes_in_utc_and_marks_too() {
    for server in servers() {
        let table = server.table(
            "instants",
            "id bigint PRIMARY KEY, a timestamp(6) NULL, b datetime(6), gone timestamp(6) NULL",
        );
        let columns = [
            ("id", INT),
            ("a", ValueType::Instant(Resolution::Micro)),
            ("b", ValueType::Instant(Resolution::Micro)),
        ];
        let mut spec = spec_of(&table.name, &columns);
        spec.mode = Mode::Mirror;
        spec.deletes = Deletes::Soft { column: "gone".into(), mark: SoftMark::Time };
        let target = server.target();
        fits(&target, &spec).await;
        let micros = 1_700_000_000_123_456_i64;
        let at = || -> ArrayRef {
            Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
        };
        let arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), at(), at()];
        let batch = RecordBatch::try_new(spec.shape.schema(), arrays).expect("a row");
        write(&target, &spec, Some(batch.clone()), None).await.expect("written");
        let found = server.sql(&format!("SET time_zone = '+02:00'; SELECT a, b FROM {}", table.name));
        assert_eq!(found, "2023-11-15 00:13:20.123456\t2023-11-14 22:13:20.123456");
        assert_eq!(target.read(&spec, &crate::keys(&spec, &[1])).await.expect("a row"), batch);
        let sync = fresh("sync");
        target.claim(&sync, 1).await.expect("claimed");
        let mut gone = crate::first(&spec, &sync);
        gone.as_of = chrono::DateTime::from_timestamp_micros(micros).expect("an instant");
        gone.deletes = crate::keys(&spec, &[1]);
        target.apply(&gone).await.expect("marked");
        let found = server.sql(&format!("SET time_zone = '+00:00'; SELECT gone FROM {}", table.name));
        assert_eq!(found, "2023-11-14 22:13:20.123456");
    }
}
