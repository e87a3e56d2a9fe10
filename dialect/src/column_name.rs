//! What Postgres calls an output column without an alias.

use sqlparser::ast::{AccessExpr, DataType, Expr, ObjectNamePart, SelectItem, SetExpr, TrimWhereField};

use crate::ident::fold;

/// The name of an unaliased expression: of its column, its function, its type; `?column?` if it has none.
pub fn column_name(expr: &Expr) -> String {
    strength(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// The name, and whether it is a good one: a cast's type name gives way to the name of what is cast.
fn strength(expr: &Expr) -> Option<(String, bool)> {
    let good = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) if ident.quote_style.is_none() && is_value_function(&ident.value) => {
            good(&ident.value.to_ascii_lowercase())
        }
        Expr::Identifier(ident) => Some((fold(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| (fold(ident), true)),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(ident))) => Some((fold(ident), true)),
            _ => strength(root),
        },
        Expr::Nested(inner) => strength(inner),
        Expr::Collate { expr, .. } => strength(expr),
        Expr::Function(function) => match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Some((fold(ident), true)),
            _ => None,
        },
        Expr::Cast { expr, data_type, .. } => match strength(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(strength) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        // NOT EXISTS is an operator over it.
        Expr::Exists { negated: false, .. } => good("exists"),
        Expr::Array(_) => good("array"),
        Expr::Tuple(_) => good("row"),
        Expr::Extract { .. } => good("extract"),
        Expr::Ceil { .. } => good("ceil"),
        Expr::Floor { .. } => good("floor"),
        Expr::Position { .. } => good("position"),
        Expr::Substring { shorthand, .. } => good(if *shorthand { "substr" } else { "substring" }),
        Expr::Trim { trim_where, .. } => good(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Overlay { .. } => good("overlay"),
        Expr::AtTimeZone { .. } => good("timezone"),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(expr)) => strength(expr),
                Some(SelectItem::ExprWithAlias { alias, .. }) => Some((fold(alias), true)),
                _ => None,
            },
            SetExpr::Values(_) => good("column1"),
            _ => None,
        },
        _ => None,
    }
}

/// Functions that are written without parentheses.
fn is_value_function(name: &str) -> bool {
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"]
        .iter()
        .any(|function| function.eq_ignore_ascii_case(name))
}

/// Postgres' internal name of a type as it is written, without its parameters.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Array(element) => {
            use sqlparser::ast::ArrayElemTypeDef as Element;
            match element {
                Element::SquareBracket(inner, _) | Element::AngleBracket(inner) | Element::Parenthesis(inner) => {
                    type_name(inner)
                }
                Element::None => "array".to_owned(),
            }
        }
        other => {
            let written = other.to_string().to_ascii_lowercase();
            let base = written.split('(').next().unwrap_or(&written).trim().to_owned();
            let zoned = written.ends_with("with time zone") || base.ends_with("tz");
            match base.as_str() {
                "int" | "integer" | "int4" => "int4",
                "smallint" | "int2" => "int2",
                "bigint" | "int8" => "int8",
                "real" | "float4" => "float4",
                "float" if matches!(other, DataType::Float(sqlparser::ast::ExactNumberInfo::Precision(p)) if *p <= 24) => {
                    "float4"
                }
                "double precision" | "float8" | "float" | "double" => "float8",
                "decimal" | "dec" | "numeric" => "numeric",
                "boolean" | "bool" => "bool",
                "character varying" | "varchar" | "char varying" => "varchar",
                "char" | "character" => "bpchar",
                base if base.starts_with("timestamp") => {
                    if zoned && !written.contains("without") { "timestamptz" } else { "timestamp" }
                }
                base if base.starts_with("time") => {
                    if zoned && !written.contains("without") { "timetz" } else { "time" }
                }
                _ => return base,
            }
            .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::{SetExpr, Statement};

    use super::*;

    fn check(expression: &str, expected: &str) {
        let (statements, _) = crate::parse(&format!("SELECT {expression}")).expect("it parses");
        let Statement::Query(query) = &statements[0] else { panic!("a query") };
        let SetExpr::Select(select) = query.body.as_ref() else { panic!("a select") };
        let SelectItem::UnnamedExpr(expr) = &select.projection[0] else { panic!("unnamed") };
        assert_eq!(column_name(expr), expected, "{expression}");
    }

    #[test]
    fn unnamed_columns_are_called_as_postgres_calls_them() {
        for (expression, name) in [
            ("count(*)", "count"),
            ("SUM(a)", "sum"),
            ("t.A", "a"),
            ("\"A\"", "A"),
            ("1 + 1", "?column?"),
            ("'x'", "?column?"),
            ("'1'::int", "int4"),
            ("a::int", "a"),
            ("date '2024-01-01'", "date"),
            ("interval '1 day'", "interval"),
            ("CASE WHEN a THEN 1 END", "case"),
            ("CASE WHEN a THEN 1 ELSE b END", "b"),
            ("coalesce(a, 1)", "coalesce"),
            ("exists(select 1)", "exists"),
            ("array[1]", "array"),
            ("extract(year from a)", "extract"),
            ("trim(a)", "btrim"),
            ("(select max(x) from t)", "max"),
            ("current_date", "current_date"),
            ("true", "?column?"),
            ("not exists(select 1)", "?column?"),
            ("null", "?column?"),
            ("a is null", "?column?"),
            ("now()::timestamptz", "now"),
            ("'a'::varchar(3)", "varchar"),
        ] {
            check(expression, name);
        }
    }
}
