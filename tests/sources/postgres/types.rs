//! Every type, with ordinary and extreme values, in both forms of the protocol. What is expected is asked of the server by
//! its own program, in numbers and texts that the server makes.

use super::{
    harness::psql,
    server::{WAYS, address, database, first_column, model, read, shown, source, url},
};
use arrow::datatypes::{DataType, TimeUnit};
use hydrant::{config::CopyMode, source::Source};
use hydrant_contract::{Integer, Resolution, ValueType};
use proptest::{prelude::*, test_runner::TestRunner};

/// The server's text of a value.
const TEXT: &str = "v::text";
/// The number that stands for a day, a time of day, a timestamp.
const DAY: &str = "(v - date '1970-01-01')::text";
const MICROS: &str = "(extract(epoch FROM v) * 1000000)::numeric::bigint::text";
const NUMBER: &str = "trim_scale(v)::text";
const BITS4: &str = "encode(float4send(v), 'hex')";
const BITS8: &str = "encode(float8send(v), 'hex')";

struct Case {
    of: &'static str,
    is: ValueType,
    shown: &'static str,
    values: &'static [&'static str],
}

fn list(of: ValueType) -> ValueType {
    ValueType::List(Box::new(of))
}

fn cases() -> Vec<Case> {
    use ValueType::*;
    let micro = Resolution::Micro;
    let case = |of, is, shown, values| Case { of, is, shown, values };
    let decimal = |precision, scale| Decimal { precision, scale };
    vec![
        case("bool", Boolean, TEXT, &["true", "false"]),
        case("int2", Integer(self::Integer::I16), TEXT, &["0", "-32768", "32767"]),
        case("int4", Integer(self::Integer::I32), TEXT, &["0", "-2147483648", "2147483647"]),
        case("int8", Integer(self::Integer::I64), TEXT, &["-9223372036854775808", "9223372036854775807"]),
        case("oid", Integer(self::Integer::U32), TEXT, &["0", "4294967295"]),
        case("float4", Float32, BITS4, &["0", "-0", "1.1", "3.4028235e38", "1e-45", "NaN", "-Infinity"]),
        case("float8", Float64, BITS8, &["-0", "0.1", "5e-324", "1.7976931348623157e308", "NaN", "Infinity"]),
        case("numeric(12,2)", decimal(12, 2), NUMBER, &["0", "-0.01", "9999999999.99", "12.5"]),
        case(
            "numeric(38,38)",
            decimal(38, 38),
            NUMBER,
            &["0.00000000000000000000000000000000000001", "-0.5"],
        ),
        case(
            "numeric(76,0)",
            decimal(76, 0),
            NUMBER,
            &["9999999999999999999999999999999999999999999999999999999999999999999999999999"],
        ),
        case("numeric(5,-2)", decimal(5, -2), NUMBER, &["1200", "-9999900", "0"]),
        case("numeric(2,4)", decimal(4, 4), NUMBER, &["0.0099", "-0.0001"]),
        case(
            "numeric",
            decimal(76, 38),
            NUMBER,
            &[
                "0",
                "1",
                "-12345678901234567890123456789012345678.00000000000000000000000000000000000001",
                "0.5",
                "10000",
                "1e20",
                "1e-20",
            ],
        ),
        case("text", Text, TEXT, &["", "Grüße 🦀", "a\"b\\c,{}", "NULL", "two\nlines"]),
        case("varchar(5)", Text, TEXT, &["né"]),
        case("char(4)", Text, "rpad(v, 4)", &["ab", "abcd"]),
        case("name", Text, TEXT, &["pg_class"]),
        case("citext", Text, TEXT, &["MiXed"]),
        case("mood", Text, TEXT, &["so so", "happy"]),
        case("bytea", Bytes, "encode(v, 'hex')", &["\\x", "\\x00ff5c27"]),
        case(
            "date",
            Date,
            DAY,
            &["1970-01-01", "0044-03-15 BC", "4713-01-01 BC", "5874897-12-31", "2024-02-29"],
        ),
        case("time", Time(micro), MICROS, &["00:00:00", "23:59:59.999999", "24:00:00"]),
        case("time(0)", Time(micro), MICROS, &["12:30:00"]),
        case(
            "timestamp",
            Timestamp(micro),
            MICROS,
            &[
                "1970-01-01",
                "0044-03-15 10:00:00.5 BC",
                "4713-01-01 BC",
                "294246-12-31 23:59:59.999999",
                "1999-12-31 23:59:59.000001",
            ],
        ),
        case(
            "timestamptz",
            Instant(micro),
            MICROS,
            &[
                "1970-01-01 00:00:00+00",
                "2024-07-01 12:00:00+05:30",
                "0044-03-15 BC",
                "1969-12-31 23:59:59.999999+00",
            ],
        ),
        case("uuid", Uuid, "replace(v::text, '-', '')", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        case("json", Json, TEXT, &["{\"b\": 1,  \"a\": [null, \"é\"]}", "null"]),
        case("jsonb", Json, TEXT, &["{\"b\": 1, \"a\": [null, \"\\\"\"]}", "1e2"]),
        case("quantity", Integer(self::Integer::I32), TEXT, &["1", "7"]),
        // Lists: an empty one and NULL among the items.
        case(
            "int4[]",
            list(Integer(self::Integer::I32)),
            "array_to_string(v, '|', 'NULL')",
            &["{}", "{1,NULL,-3}", "[0:1]={7,8}"],
        ),
        case(
            "text[]",
            list(Text),
            "array_to_string(v, '|', 'NULL')",
            &["{a,\"b,c\",\"\",NULL,\"d\\\"e\\\\f\"}"],
        ),
        case("numeric(6,2)[]", list(decimal(6, 2)), "array_to_string(v, '|', 'NULL')", &["{1.25,-3.75}"]),
        case("mood[]", list(Text), "array_to_string(v, '|')", &["{\"so so\",happy}"]),
        case(
            "uuid[]",
            list(Uuid),
            "replace(array_to_string(v, '|'), '-', '')",
            &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"],
        ),
        case(
            "date[]",
            list(Date),
            "(SELECT string_agg((d - date '1970-01-01')::text, '|') FROM unnest(v) d)",
            &["{2024-02-29,0001-01-01}"],
        ),
        case("jsonb[]", list(Json), "array_to_string(v, '|')", &["{\"{\\\"a\\\": 1}\",2}"]),
        case("quantity[]", list(Integer(self::Integer::I32)), "array_to_string(v, '|')", &["{1,7}"]),
        case("inet[]", list(Text), "array_to_string(v::text[], '|')", &["{10.0.0.1,::1/128}"]),
        case("interval[]", list(Text), "array_to_string(v::text[], '|')", &["{1 day,2 hours}"]),
        // What has no form of its own is its text.
        case("timetz", Text, TEXT, &["10:00:00+02"]),
        case("interval", Text, TEXT, &["1 year 2 mons 3 days 04:05:06.7", "-1 day"]),
        case("money", Text, TEXT, &["12.34"]),
        case("inet", Text, TEXT, &["192.168.0.0/16", "::1"]),
        case("cidr", Text, TEXT, &["10.0.0.0/8"]),
        case("macaddr", Text, TEXT, &["08:00:2b:01:02:03"]),
        case("bit(4)", Text, TEXT, &["1010"]),
        case("varbit", Text, TEXT, &["101"]),
        case("int4range", Text, TEXT, &["[1,10)", "empty"]),
        case("tstzrange", Text, TEXT, &["[2024-01-01 00:00:00+00,infinity)"]),
        case("int4multirange", Text, TEXT, &["{[1,3),[5,9)}"]),
        case("tsvector", Text, TEXT, &["a:1 fat:2"]),
        case("hstore", Text, TEXT, &["a=>1,b=>NULL"]),
        case("point", Text, TEXT, &["(1,2.5)"]),
        case("polygon", Text, TEXT, &["((0,0),(1,1),(1,0))"]),
        case("xml", Text, TEXT, &["<a>é</a>"]),
        case("address", Text, TEXT, &["(\"Main St\",12)"]),
        case("pg_lsn", Text, TEXT, &["16/B374D848"]),
        case("\"char\"", Text, TEXT, &["x"]),
        case("int2vector", Text, TEXT, &["1 2 3"]),
        case("regclass", Text, TEXT, &["pg_class"]),
    ]
}

const OWN_TYPES: &str = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('so so', 'happy'); \
    CREATE DOMAIN quantity AS int4 CHECK (value > 0); CREATE TYPE address AS (street text, number int)";

/// A case's value number `g.n`, or NULL where it has not so many.
fn value(case: &Case) -> String {
    let quoted =
        |(at, value): (usize, &&str)| format!("({at}, '{}'::{})", value.replace('\'', "''"), case.of);
    let values: Vec<String> = case.values.iter().enumerate().map(quoted).collect();
    format!("(SELECT v0::{} FROM (VALUES {}) AS t (n, v0) WHERE t.n = g.n)", case.of, values.join(", "))
}

#[tokio::test]
async fn every_type_arrives_as_the_server_says_it_is() {
    const ROWS: usize = 8;
    let (cases, database) = (cases(), database(OWN_TYPES));
    let url = url(&address(), &database);
    assert!(cases.iter().all(|case| case.values.len() < ROWS), "a row of NULLs comes last");
    // One query for all: connecting is what takes time.
    let all = |each: &dyn Fn(&Case) -> String, between: &str| {
        cases.iter().map(each).collect::<Vec<_>>().join(between)
    };
    let rows = format!("FROM generate_series(0, {}) AS g (n) ORDER BY n", ROWS - 1);
    let asked = format!(
        "SELECT {} {rows}",
        all(&|case| format!("{} AS \"{}\"", value(case), case.of.replace('"', "''")), ", ")
    );
    let oracle = all(
        &|case| format!("(SELECT coalesce({}, 'NULL') FROM (SELECT {} AS v) AS s)", case.shown, value(case)),
        " || chr(1) || ",
    );
    let settings = "SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; SET datestyle = 'ISO'";
    // Line breaks are part of values, so cells and rows are parted by what is in none.
    let oracle = psql(&url, &format!("{settings}; SELECT {oracle} || chr(2) {rows}")).join("\n");
    let oracle: Vec<Vec<&str>> = oracle
        .split_terminator('\u{2}')
        .map(|row| row.strip_prefix('\n').unwrap_or(row).split('\u{1}').collect())
        .collect();
    for way in WAYS {
        let source = source(&url, way, None);
        let batches = read(&source, &asked).await.unwrap_or_else(|e| panic!("by {way:?}: {e}"));
        let schema = source.describe(&model(&asked)).await.unwrap();
        let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
        assert_eq!((batch.schema(), batch.num_rows()), (schema.clone(), ROWS));
        for (at, case) in cases.iter().enumerate() {
            assert_eq!(ValueType::of(schema.field(at)).unwrap(), case.is, "{} by {way:?}", case.of);
            let found: Vec<String> = (0..ROWS).map(|row| shown(batch.column(at).as_ref(), row)).collect();
            let expected: Vec<&str> = oracle.iter().map(|row| row[at]).collect();
            assert_eq!(found, expected, "{} by {way:?}", case.of);
        }
    }
}

/// The type `vector(n)` as pgvector has it on the wire, for servers without the extension: the test brings a type that sends
/// its bytes as they are.
#[tokio::test]
async fn vectors_that_say_their_length_are_vectors() {
    let database = database(
        "CREATE TYPE vector; \
         CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'byteain'; \
         CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout'; \
         CREATE FUNCTION vector_send(vector) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'byteasend'; \
         CREATE FUNCTION vector_typmod_in(cstring[]) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'bittypmodin'; \
         CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, SEND = vector_send, TYPMOD_IN = vector_typmod_in, LIKE = bytea); \
         CREATE TABLE embeddings (id int, v vector(2)); \
         INSERT INTO embeddings VALUES (1, '\\x000200003fc00000c0000000'), (2, NULL)",
    );
    let source = source(&url(&address(), &database), CopyMode::Binary, None);
    let batches = read(&source, "SELECT v FROM embeddings ORDER BY id").await.unwrap();
    assert_eq!(ValueType::of(batches[0].schema().field(0)).unwrap(), ValueType::Vector(2));
    let bits = |number: f32| format!("{:08x}", number.to_bits());
    assert_eq!(first_column(&batches), [format!("{}|{}", bits(1.5), bits(-2.0)), "NULL".to_owned()]);
    // Without a length every row could have another one.
    let schema = source.describe(&model("SELECT '\\x00000000'::vector AS v")).await.unwrap();
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
}

#[test]
fn numbers_of_any_size_are_the_servers_property() {
    let database = database("");
    let url = url(&address(), &database);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let number = ("-?", "[1-9][0-9]{0,37}|0", "(\\.[0-9]{1,38})?");
    let number =
        (number.0, number.1, number.2).prop_map(|(sign, whole, fraction)| format!("{sign}{whole}{fraction}"));
    let numbers = prop::collection::vec(number, 200);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() });
    let checked = runner.run(&numbers, |numbers| {
        let values: Vec<String> =
            numbers.iter().enumerate().map(|(at, n)| format!("({at}, '{n}'::numeric)")).collect();
        let query = |shown: &str| {
            format!("SELECT {shown} FROM (VALUES {}) AS t (n, v) ORDER BY n", values.join(", "))
        };
        let oracle = psql(&url, &query(NUMBER));
        for way in WAYS {
            let batches = runtime.block_on(read(&source(&url, way, None), &query("v"))).unwrap();
            prop_assert_eq!(first_column(&batches), oracle.clone(), "by {:?}", way);
        }
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn times_are_in_utc_and_in_microseconds_whatever_the_account_says() {
    let database = database("");
    psql(
        &url(&address(), &database),
        &format!(
            "ALTER DATABASE {database} SET timezone = 'Asia/Kolkata'; ALTER DATABASE {database} SET datestyle = 'SQL, DMY'; \
         ALTER DATABASE {database} SET extra_float_digits = -5; ALTER DATABASE {database} SET bytea_output = 'escape'"
        ),
    );
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let asked = "SELECT '2024-01-01 00:00:00+00'::timestamptz AS at, 0.1::float8 AS f, '\\x00ff'::bytea AS b, \
                     '01/02/2024'::date AS d, '2024-01-01 00:00:00+00'::timestamptz::text AS t";
        let batches = read(&source, asked).await.unwrap();
        let shown: Vec<String> = batches[0].columns().iter().map(|c| shown(c.as_ref(), 0)).collect();
        let fraction = format!("{:016x}", 0.1_f64.to_bits());
        // The order of day and month in what a model writes stays the account's.
        assert_eq!(
            shown,
            ["1704067200000000", &fraction, "00ff", "19754", "2024-01-01 00:00:00+00"],
            "{way:?}"
        );
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(batches[0].column(0).data_type(), &instant);
    }
}

#[tokio::test]
async fn many_rows_come_in_bounded_batches_and_in_order() {
    let database = database("");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let batches = read(&source, "SELECT n FROM generate_series(1, 50000) AS n ORDER BY n").await.unwrap();
        assert!(batches.iter().all(|batch| batch.num_rows() <= 8192), "{way:?}");
        let numbers: Vec<String> = (1..=50_000).map(|n| n.to_string()).collect();
        assert_eq!(first_column(&batches), numbers, "{way:?}");
        // A megabyte each: what is bounded is bytes too.
        let wide = read(&source, "SELECT repeat('x', 1 << 20) FROM generate_series(1, 40)").await.unwrap();
        assert!(wide.iter().all(|batch| batch.num_rows() <= 9), "{way:?}");
        assert_eq!(wide.iter().map(|batch| batch.num_rows()).sum::<usize>(), 40, "{way:?}");
        assert!(read(&source, "SELECT 1 AS n WHERE false").await.unwrap().is_empty(), "{way:?}");
    }
}

#[tokio::test]
async fn models_of_every_form_are_read() {
    let database = database("CREATE TABLE t (id int, took interval); INSERT INTO t VALUES (1, '1 hour')");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        for (asked, rows) in [
            ("TABLE t", 1),
            ("VALUES (1, 'a'), (2, 'b')", 2),
            ("WITH a AS (SELECT * FROM t) SELECT * FROM a -- the end", 1),
            ("/* first */ SELECT id, took FROM t ORDER BY id DESC LIMIT 1", 1),
            ("(SELECT id FROM t) UNION ALL SELECT 2", 2),
            ("SELECT took, took AS again, 'a' || chr(10) AS \"with \"\"quotes\"\"\" FROM t", 1),
        ] {
            let batches = read(&source, asked).await.unwrap_or_else(|e| panic!("{asked} by {way:?}: {e}"));
            assert_eq!(
                batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
                rows,
                "{asked} by {way:?}"
            );
        }
    }
}
