//! Statements of Postgres that nobody here answers, known by their first words.
//!
//! The parser knows some of Postgres' statements only, and fails on the others as on a typing error. This table tells
//! them apart, whatever follows the words: who sends `COPY t FROM STDIN` must not look for a missing comma.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Statements by all their words. One that is the beginning of another stands after it.
const STATEMENTS: &[&str] = &[
    "ABORT",
    "ANALYSE",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT PREPARED",
    "COMMIT",
    "COPY",
    "DEALLOCATE",
    "DECLARE",
    "DISCARD",
    "DO",
    "END",
    "EXECUTE",
    "FETCH",
    "GRANT",
    "IMPORT FOREIGN SCHEMA",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE TRANSACTION",
    "PREPARE",
    "REASSIGN OWNED",
    "REFRESH MATERIALIZED VIEW",
    "REINDEX",
    "RESET",
    "REVOKE",
    "ROLLBACK PREPARED",
    "SECURITY LABEL",
    "SET",
    "SHOW",
    "START TRANSACTION",
    "TABLE",
    "UNLISTEN",
    "VACUUM",
];

/// What CREATE, ALTER and DROP are asked for in vain. Tables and indexes are not here, but for what of them is none.
const OBJECTS: &[&str] = &[
    "ACCESS METHOD",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DEFAULT PRIVILEGES",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "GROUP",
    "INDEX CONCURRENTLY",
    "LANGUAGE",
    "LARGE OBJECT",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OWNED",
    "POLICY",
    "PROCEDURE",
    "PUBLICATION",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "SYSTEM",
    "TABLESPACE",
    "TEXT SEARCH",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER",
    "VIEW",
];

/// Words between CREATE and what is created.
const BETWEEN: &[&str] = &[
    "OR",
    "REPLACE",
    "GLOBAL",
    "LOCAL",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "RECURSIVE",
    "TRUSTED",
    "PROCEDURAL",
    "CONSTRAINT",
];

/// How many words are looked at: CREATE, three between, and three of an object.
const WORDS_MAX: usize = 7;

/// The name of an unsupported statement that `text` begins with, as Postgres writes it.
pub fn unsupported_command(text: &str) -> Option<String> {
    name_of(text.split_whitespace())
}

/// The same of tokens.
pub(crate) fn unsupported_in(tokens: &[TokenWithSpan]) -> Option<String> {
    let significant = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    name_of(significant.map_while(|token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.as_str()),
        _ => None,
    }))
}

fn name_of<'w>(words: impl Iterator<Item = &'w str>) -> Option<String> {
    let words = words.take(WORDS_MAX).map(str::to_ascii_uppercase).collect::<Vec<_>>();
    let verb = words.first()?.as_str();
    match verb {
        "CREATE" | "ALTER" | "DROP" => {
            let skipped = words.iter().skip(1).take_while(|word| BETWEEN.contains(&word.as_str())).count();
            let object = first_of(OBJECTS, words.get(1 + skipped..)?);
            // Indexes are made and dropped, and tables are made, but not so.
            let object = object.or_else(|| match verb {
                "ALTER" => first_of(&["INDEX"], &words[1..]),
                "CREATE" => first_of(&["UNLOGGED"], &words[1..]),
                _ => None,
            });
            object.map(|object| format!("{verb} {object}"))
        }
        _ => first_of(STATEMENTS, &words).map(str::to_owned),
    }
}

fn first_of(names: &[&'static str], words: &[String]) -> Option<&'static str> {
    let begins = |name: &&&str| {
        let mut rest = words.iter();
        name.split(' ').all(|word| rest.next().is_some_and(|found| found == word))
    };
    names.iter().find(begins).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parse, sqlstate};

    /// Parsing refuses it as unsupported, or leaves it to who plans it, who finds this name.
    fn check(sql: &str, name: &str) {
        assert_eq!(unsupported_command(sql).as_deref(), Some(name), "{sql}");
        match parse(sql) {
            Ok((statements, _)) => {
                assert_eq!(unsupported_command(&statements[0].to_string()).as_deref(), Some(name), "{sql}");
            }
            Err(error) => {
                assert_eq!(error.sqlstate, sqlstate::FEATURE_NOT_SUPPORTED, "{sql}: {error}");
                assert_eq!(error.message, format!("{name} is not supported"), "{sql}");
            }
        }
    }

    #[test]
    fn statements_of_postgres_are_told_from_typing_errors() {
        check("DO $$ BEGIN RAISE NOTICE 'x'; END $$", "DO");
        check("DO LANGUAGE plpgsql $$ BEGIN END $$", "DO");
        check("LISTEN channel", "LISTEN");
        check("UNLISTEN *", "UNLISTEN");
        check("NOTIFY channel, 'payload'", "NOTIFY");
        check("COPY t FROM STDIN", "COPY");
        check("COPY t (a, b) FROM '/x' WITH (FORMAT csv, FORCE_NULL (a))", "COPY");
        check("VACUUM (FULL, ANALYZE) t", "VACUUM");
        check("ANALYZE VERBOSE t (a)", "ANALYZE");
        check("GRANT SELECT ON ALL TABLES IN SCHEMA public TO bob", "GRANT");
        check("REVOKE ALL ON t FROM PUBLIC", "REVOKE");
        check("PREPARE p (int) AS SELECT $1", "PREPARE");
        check("EXECUTE p (1)", "EXECUTE");
        check("DEALLOCATE ALL", "DEALLOCATE");
        check("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1", "DECLARE");
        check("FETCH FORWARD 5 FROM c", "FETCH");
        check("MOVE 5 IN c", "MOVE");
        check("CLOSE c", "CLOSE");
        check("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "LOCK");
        check("CALL p(1)", "CALL");
        check("REFRESH MATERIALIZED VIEW CONCURRENTLY v", "REFRESH MATERIALIZED VIEW");
        check("COMMENT ON COLUMN t.a IS 'x'", "COMMENT");
        check("CLUSTER t USING i", "CLUSTER");
        check("REINDEX TABLE CONCURRENTLY t", "REINDEX");
        check("SECURITY LABEL FOR p ON TABLE t IS 'x'", "SECURITY LABEL");
        check("REASSIGN OWNED BY a TO b", "REASSIGN OWNED");
        check("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "IMPORT FOREIGN SCHEMA");
        check("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DO NOTHING", "MERGE");
        check("SET search_path TO a, b", "SET");
        check("RESET ALL", "RESET");
        check("DISCARD ALL", "DISCARD");
        check("LOAD 'x'", "LOAD");
        check("CHECKPOINT", "CHECKPOINT");
        check("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION");
        check("ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED");
        check("ABORT", "ABORT");
        check("TABLE t", "TABLE");
    }

    #[test]
    fn so_are_things_that_nobody_can_make() {
        check("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT a $$", "CREATE FUNCTION");
        check("create or replace function f() returns trigger as $$ begin end $$ language plpgsql", "CREATE FUNCTION");
        check("CREATE OR REPLACE TEMP RECURSIVE VIEW v (a) AS SELECT 1", "CREATE VIEW");
        check("CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA", "CREATE MATERIALIZED VIEW");
        check("CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER");
        check("CREATE CONSTRAINT TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER");
        check("CREATE TYPE mood AS ENUM ('a', 'b')", "CREATE TYPE");
        check("CREATE EXTENSION IF NOT EXISTS pgcrypto", "CREATE EXTENSION");
        check("CREATE SCHEMA s AUTHORIZATION bob", "CREATE SCHEMA");
        check("CREATE SEQUENCE s START 5", "CREATE SEQUENCE");
        check("CREATE POLICY p ON t USING (true)", "CREATE POLICY");
        check("CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", "CREATE RULE");
        check("CREATE PUBLICATION p FOR ALL TABLES", "CREATE PUBLICATION");
        check("CREATE FOREIGN TABLE t (a int) SERVER s", "CREATE FOREIGN TABLE");
        check("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO bob", "ALTER DEFAULT PRIVILEGES");
        check("ALTER INDEX i RENAME TO j", "ALTER INDEX");
        check("ALTER SYSTEM SET a = 1", "ALTER SYSTEM");
        check("DROP FUNCTION IF EXISTS f(int) CASCADE", "DROP FUNCTION");
        check("DROP OWNED BY bob", "DROP OWNED");
        check("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY");
        check("CREATE UNLOGGED TABLE t (a int)", "CREATE UNLOGGED");
    }

    #[test]
    fn comments_and_lines_are_not_words() {
        let refused = |sql: &str| parse(sql).err().map(|error| error.message);
        assert_eq!(refused("/* a */ DO -- b\n $$ c $$").as_deref(), Some("DO is not supported"));
        assert_eq!(refused("CREATE\n OR /* a */ REPLACE RULE r").as_deref(), Some("CREATE RULE is not supported"));
    }

    #[test]
    fn what_works_and_typing_errors_are_not_named() {
        for sql in [
            "SELECT 1",
            "CREATE TABLE t (a int)",
            "CREATE TEMP TABLE t (a int)",
            "CREATE UNIQUE INDEX i ON t (a)",
            "DROP INDEX i",
            "ALTER TABLE t ADD COLUMN a int",
            "TRUNCATE t",
            "SAVEPOINT s",
            "ROLLBACK TO s",
            "EXPLAIN SELECT 1",
            "\"do\" it",
            "DOO $$ $$",
            "CREATE VIEWS v",
            "",
        ] {
            let tokens = sqlparser::tokenizer::Tokenizer::new(&sqlparser::dialect::PostgreSqlDialect {}, sql)
                .tokenize_with_location()
                .expect("tokens");
            assert_eq!(unsupported_in(&tokens), None, "{sql}");
        }
        for sql in ["CREATE TABLE t (a int,,)", "DROP VEIW v", "SELEC 1", "EXPLAIN SELEC 1"] {
            assert_eq!(parse(sql).map_err(|error| error.sqlstate).err().as_deref(), Some("42601"), "{sql}");
        }
    }

    #[test]
    fn no_statement_hides_behind_its_own_beginning() {
        for names in [STATEMENTS, OBJECTS] {
            for (index, name) in names.iter().enumerate() {
                let words = name.split(' ').map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(first_of(names, &words), Some(names[index]), "{name}");
            }
        }
    }
}
