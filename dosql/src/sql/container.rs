//! Operators and functions of JSON and arrays.

use lake_dialect::{SqlError, sqlstate};

use super::binder::Binder;
use super::function::undefined;
use super::pg_type::PgType;
use super::typed::Typed;

fn no_operator(op: &str, left: &PgType, right: &PgType) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("operator does not exist: {} {op} {}", left.display(), right.display()),
    )
    .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

impl Binder<'_> {
    /// A key or an index into an array.
    fn json_key(&mut self, op: &str, value: &Typed, key: Typed) -> Result<Typed, SqlError> {
        if !matches!(value.ty, PgType::Json | PgType::Jsonb) {
            return Err(no_operator(op, &value.ty, &key.ty));
        }
        match key.ty.clone() {
            PgType::Unknown => self.resolve(key, &PgType::Text),
            ty if ty.is_text() => Ok(key),
            PgType::Int2 | PgType::Int4 => Ok(key),
            other => Err(no_operator(op, &value.ty, &other)),
        }
    }

    pub(super) fn json_member(&mut self, value: Typed, key: Typed) -> Result<Typed, SqlError> {
        let key = self.json_key("->", &value, key)?;
        let sql = format!("pg_json_get({}, {}, {})", value.sql, key.sql, u8::from(value.ty == PgType::Jsonb));
        let ty = value.ty.clone();
        Ok(Typed::over(&[&value, &key], sql, ty))
    }

    pub(super) fn json_member_text(&mut self, value: Typed, key: Typed) -> Result<Typed, SqlError> {
        let key = self.json_key("->>", &value, key)?;
        let sql = format!("pg_json_get_text({}, {}, {})", value.sql, key.sql, u8::from(value.ty == PgType::Jsonb));
        Ok(Typed::over(&[&value, &key], sql, PgType::Text))
    }

    pub(super) fn json_path(&mut self, op: &str, value: Typed, path: Typed) -> Result<Typed, SqlError> {
        if !matches!(value.ty, PgType::Json | PgType::Jsonb) || (op == "#-" && value.ty == PgType::Json) {
            return Err(no_operator(op, &value.ty, &path.ty));
        }
        let path = self.coerce(path, &PgType::Array(Box::new(PgType::Text)))?;
        let canonical = u8::from(value.ty == PgType::Jsonb);
        let (function, ty) = match op {
            "#>" => ("pg_json_path", value.ty.clone()),
            "#>>" => ("pg_json_path_text", PgType::Text),
            _ => ("pg_jsonb_delete_path", PgType::Jsonb),
        };
        let sql = format!("{function}({}, {}, {canonical})", value.sql, path.sql);
        Ok(Typed::over(&[&value, &path], sql, ty))
    }

    pub(super) fn json_exists(&mut self, op: &str, value: Typed, key: Typed) -> Result<Typed, SqlError> {
        if value.ty != PgType::Jsonb {
            return Err(no_operator(op, &value.ty, &key.ty));
        }
        let (function, ty) = match op {
            "?" => ("pg_jsonb_exists", PgType::Text),
            "?|" => ("pg_jsonb_exists_any", PgType::Array(Box::new(PgType::Text))),
            _ => ("pg_jsonb_exists_all", PgType::Array(Box::new(PgType::Text))),
        };
        let key = self.coerce(key, &ty)?;
        let sql = format!("{function}({}, {})", value.sql, key.sql);
        Ok(Typed::over(&[&value, &key], sql, PgType::Bool))
    }

    pub(super) fn json_delete(&mut self, value: Typed, key: Typed) -> Result<Typed, SqlError> {
        if !key.ty.is_text() && !key.ty.is_integer() && key.ty != PgType::Array(Box::new(PgType::Text)) {
            return Err(no_operator("-", &value.ty, &key.ty));
        }
        let sql = format!("pg_jsonb_delete({}, {})", value.sql, key.sql);
        Ok(Typed::over(&[&value, &key], sql, PgType::Jsonb))
    }

    /// `@>`, `<@`, `&&`
    pub(super) fn contains(&mut self, op: &str, left: Typed, right: Typed) -> Result<Typed, SqlError> {
        let ty = match (&left.ty, &right.ty) {
            (PgType::Unknown, other) | (other, PgType::Unknown) => other.clone(),
            (a, b) if a == b => a.clone(),
            (PgType::Array(a), PgType::Array(b)) => {
                PgType::Array(Box::new(super::cast::common_type("array", &[a.as_ref(), b.as_ref()])?))
            }
            (a, b) => return Err(no_operator(op, a, b)),
        };
        let function = match (&ty, op) {
            (PgType::Jsonb, "@>" | "<@") => "pg_jsonb_contains",
            (PgType::Array(_), "@>" | "<@") => "pg_array_contains",
            (PgType::Array(_), "&&") => "pg_array_overlap",
            _ => return Err(no_operator(op, &left.ty, &right.ty)),
        };
        let (left, right) = (self.coerce(left, &ty)?, self.coerce(right, &ty)?);
        let sql = if op == "<@" {
            format!("{function}({}, {})", right.sql, left.sql)
        } else {
            format!("{function}({}, {})", left.sql, right.sql)
        };
        Ok(Typed::over(&[&left, &right], sql, PgType::Bool))
    }

    pub(super) fn array_function(&mut self, name: &str, arguments: &[Typed]) -> Result<Typed, SqlError> {
        if name == "unnest" {
            return Err(SqlError::unsupported("unnest() outside of FROM"));
        }
        let wrong = || undefined(name, arguments);
        let array_at = usize::from(name == "array_prepend");
        let array = arguments.get(array_at).ok_or_else(wrong)?.clone();
        let array = match (&array.ty, name) {
            (PgType::Unknown, "array_to_string") => self.resolve(array, &PgType::Array(Box::new(PgType::Text)))?,
            (PgType::Unknown, _) => {
                let other = arguments.get(1 - array_at).map(|other| other.ty.clone());
                let ty = match other {
                    Some(PgType::Array(_)) if name == "array_cat" => other.unwrap_or(PgType::Text),
                    Some(PgType::Unknown) | None => PgType::Array(Box::new(PgType::Text)),
                    Some(element) => PgType::Array(Box::new(element)),
                };
                self.resolve(array, &ty)?
            }
            _ => array,
        };
        let PgType::Array(element) = array.ty.clone() else { return Err(wrong()) };
        let mut converted = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            if index == array_at {
                converted.push(array.clone());
                continue;
            }
            let ty = match name {
                "array_append" | "array_prepend" | "array_remove" => element.as_ref().clone(),
                "array_position" if index == 1 => element.as_ref().clone(),
                "array_cat" => array.ty.clone(),
                "array_to_string" => PgType::Text,
                _ => PgType::Int4,
            };
            converted.push(self.coerce(argument.clone(), &ty)?);
        }
        let arity = match name {
            "cardinality" => 1..=1,
            "array_to_string" => 2..=3,
            _ => 2..=2,
        };
        if !arity.contains(&converted.len()) {
            return Err(wrong());
        }
        let list = converted.iter().map(|item| item.sql.as_str()).collect::<Vec<_>>().join(", ");
        let code = Binder::quoted(&element.name());
        let (sql, ty) = match name {
            "array_append" | "array_prepend" | "array_remove" => {
                (format!("pg_{name}({code}, {list})"), array.ty.clone())
            }
            "array_position" => (format!("pg_array_position({code}, {list})"), PgType::Int4),
            "array_cat" => (format!("pg_array_concat({list})"), array.ty.clone()),
            "array_to_string" => (format!("pg_array_to_string({code}, {list})"), PgType::Text),
            "cardinality" => (format!("pg_array_count({list})"), PgType::Int4),
            "array_lower" => (format!("pg_array_lower({list})"), PgType::Int4),
            _ => (format!("pg_array_length({list})"), PgType::Int4),
        };
        Ok(Typed::over(&converted.iter().collect::<Vec<_>>(), sql, ty))
    }

    pub(super) fn json_function(&mut self, name: &str, arguments: &[Typed]) -> Result<Typed, SqlError> {
        let wrong = || undefined(name, arguments);
        let result = if name.contains("jsonb") { PgType::Jsonb } else { PgType::Json };
        if name == "row_to_json" || name == "jsonb_set" && !(3..=4).contains(&arguments.len()) {
            return Err(SqlError::unsupported(format!("function {name}")));
        }
        if name == "jsonb_set" {
            let types = [PgType::Jsonb, PgType::Array(Box::new(PgType::Text)), PgType::Jsonb, PgType::Bool];
            let mut converted = Vec::new();
            for (argument, ty) in arguments.iter().zip(&types) {
                converted.push(self.coerce(argument.clone(), ty)?);
            }
            let list = converted.iter().map(|item| item.sql.as_str()).collect::<Vec<_>>().join(", ");
            return Ok(Typed::over(&converted.iter().collect::<Vec<_>>(), format!("pg_jsonb_set({list})"), result));
        }
        if name.starts_with("to_json") {
            let [value] = arguments else { return Err(wrong()) };
            if value.ty == PgType::Unknown {
                return Err(SqlError::new(
                    sqlstate::INDETERMINATE_DATATYPE,
                    "could not determine polymorphic type because input has type unknown",
                ));
            }
            let sql = format!("pg_{name}({}, {})", Binder::quoted(&value.ty.name()), value.sql);
            return Ok(value.clone().becomes(sql, result));
        }
        let settled = arguments.iter().map(|argument| self.settle(argument.clone())).collect::<Result<Vec<_>, _>>()?;
        let list = settled
            .iter()
            .map(|item| format!(", {}, {}", Binder::quoted(&item.ty.name()), item.sql))
            .collect::<String>();
        let form = if name.ends_with("object") { "object" } else { "array" };
        if form == "object" && settled.len() % 2 == 1 {
            return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "argument list must have even number of elements"));
        }
        let sql = format!("pg_json_build_{form}({}{list})", u8::from(result == PgType::Jsonb));
        Ok(Typed::over(&settled.iter().collect::<Vec<_>>(), sql, result))
    }
}
