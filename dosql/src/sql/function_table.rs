//! The table of scalar functions: name, parameters, result, SQLite text.
//!
//! `{0}` is the first argument's text, `{*}` all of them. A function whose name begins with `pg_` is ours
//! (`sql/runtime`); what is written in plain SQL behaves in SQLite as Postgres has it.

use super::pg_type::PgType;

/// A type in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    B,
    I2,
    I4,
    I8,
    F4,
    F8,
    N,
    D,
    Ti,
    Ts,
    Tz,
    Iv,
    U,
    T,
    By,
    J,
    Jb,
    /// text[]
    Ta,
}

impl Kind {
    pub(super) fn types(self) -> Option<PgType> {
        Some(match self {
            B => PgType::Bool,
            I2 => PgType::Int2,
            I4 => PgType::Int4,
            I8 => PgType::Int8,
            F4 => PgType::Float4,
            F8 => PgType::Float8,
            N => PgType::Numeric,
            D => PgType::Date,
            Ti => PgType::Time,
            Ts => PgType::Timestamp,
            Tz => PgType::TimestampTz,
            Iv => PgType::Interval,
            U => PgType::Uuid,
            T => PgType::Text,
            By => PgType::Bytea,
            J => PgType::Json,
            Jb => PgType::Jsonb,
            Ta => PgType::Array(Box::new(PgType::Text)),
        })
    }
}

/// One function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    parameters: &'static [Kind],
    /// The first this many parameters have to be given.
    required: usize,
    pub(super) result: Kind,
    pub(super) template: &'static str,
}

impl Signature {
    pub(super) fn takes(&self, count: usize) -> bool {
        (self.required..=self.parameters.len()).contains(&count)
    }

    pub(super) fn parameter(&self, index: usize) -> Kind {
        self.parameters.get(index).copied().unwrap_or(T)
    }
}

const fn f(name: &'static str, parameters: &'static [Kind], result: Kind, template: &'static str) -> Signature {
    Signature { name, parameters, required: parameters.len(), result, template }
}

/// With parameters at the end that can be left out.
const fn o(
    name: &'static str,
    parameters: &'static [Kind],
    required: usize,
    result: Kind,
    template: &'static str,
) -> Signature {
    Signature { name, parameters, required, result, template }
}

use Kind::{B, By, D, F4, F8, I2, I4, I8, Iv, J, Jb, N, T, Ta, Ti, Ts, Tz, U};

pub(super) const FUNCTIONS: &[Signature] = &[
    // Numbers.
    f("abs", &[I2], I2, "pg_abs_int2({0})"),
    f("abs", &[I4], I4, "pg_abs_int4({0})"),
    f("abs", &[I8], I8, "pg_abs_int8({0})"),
    f("abs", &[F4], F4, "pg_float_abs({0})"),
    f("abs", &[F8], F8, "pg_float_abs({0})"),
    f("abs", &[N], N, "pg_numeric_abs({0})"),
    f("sign", &[F8], F8, "pg_float_sign({0})"),
    f("sign", &[N], N, "pg_numeric_sign({0})"),
    f("ceil", &[F8], F8, "pg_float_ceil({0})"),
    f("ceil", &[N], N, "pg_numeric_ceil({0})"),
    f("ceiling", &[F8], F8, "pg_float_ceil({0})"),
    f("ceiling", &[N], N, "pg_numeric_ceil({0})"),
    f("floor", &[F8], F8, "pg_float_floor({0})"),
    f("floor", &[N], N, "pg_numeric_floor({0})"),
    f("round", &[F8], F8, "pg_float_round({0})"),
    f("round", &[N], N, "pg_numeric_round({0}, 0)"),
    f("round", &[N, I4], N, "pg_numeric_round({0}, {1})"),
    f("trunc", &[F8], F8, "pg_float_trunc({0})"),
    f("trunc", &[N], N, "pg_numeric_trunc({0}, 0)"),
    f("trunc", &[N, I4], N, "pg_numeric_trunc({0}, {1})"),
    f("scale", &[N], I4, "pg_numeric_scale({0})"),
    f("mod", &[I2, I2], I2, "pg_mod_int2({0}, {1})"),
    f("mod", &[I4, I4], I4, "pg_mod_int4({0}, {1})"),
    f("mod", &[I8, I8], I8, "pg_mod_int8({0}, {1})"),
    f("mod", &[N, N], N, "pg_mod_numeric({0}, {1})"),
    f("div", &[N, N], N, "pg_numeric_idiv({0}, {1})"),
    f("gcd", &[I4, I4], I4, "pg_gcd({0}, {1}, 'int4')"),
    f("gcd", &[I8, I8], I8, "pg_gcd({0}, {1}, 'int8')"),
    f("lcm", &[I4, I4], I4, "pg_lcm({0}, {1}, 'int4')"),
    f("lcm", &[I8, I8], I8, "pg_lcm({0}, {1}, 'int8')"),
    f("power", &[F8, F8], F8, "pg_float_power({0}, {1})"),
    f("pow", &[F8, F8], F8, "pg_float_power({0}, {1})"),
    f("sqrt", &[F8], F8, "pg_float_sqrt({0})"),
    f("cbrt", &[F8], F8, "pg_float_cbrt({0})"),
    f("exp", &[F8], F8, "pg_float_exp({0})"),
    f("ln", &[F8], F8, "pg_float_ln({0})"),
    f("log", &[F8], F8, "pg_float_log10({0})"),
    f("log10", &[F8], F8, "pg_float_log10({0})"),
    f("pi", &[], F8, "pg_pi()"),
    f("degrees", &[F8], F8, "pg_float_degrees({0})"),
    f("radians", &[F8], F8, "pg_float_radians({0})"),
    f("random", &[], F8, "pg_random()"),
    // Texts.
    f("lower", &[T], T, "pg_lower({0})"),
    f("upper", &[T], T, "pg_upper({0})"),
    f("initcap", &[T], T, "pg_initcap({0})"),
    f("length", &[T], I4, "length({0})"),
    f("length", &[By], I4, "length({0})"),
    f("char_length", &[T], I4, "length({0})"),
    f("character_length", &[T], I4, "length({0})"),
    f("octet_length", &[T], I4, "octet_length({0})"),
    f("octet_length", &[By], I4, "length({0})"),
    f("bit_length", &[T], I4, "(octet_length({0}) * 8)"),
    f("ascii", &[T], I4, "pg_ascii({0})"),
    f("chr", &[I4], T, "pg_chr({0})"),
    o("substring", &[T, I4, I4], 2, T, "pg_substring({*})"),
    o("substr", &[T, I4, I4], 2, T, "pg_substring({*})"),
    o("substring", &[By, I4, I4], 2, By, "pg_bytea_substring({*})"),
    f("left", &[T, I4], T, "pg_left({0}, {1})"),
    f("right", &[T, I4], T, "pg_right({0}, {1})"),
    o("lpad", &[T, I4, T], 2, T, "pg_lpad({*})"),
    o("rpad", &[T, I4, T], 2, T, "pg_rpad({*})"),
    o("btrim", &[T, T], 1, T, "pg_btrim({*})"),
    o("ltrim", &[T, T], 1, T, "pg_ltrim({*})"),
    o("rtrim", &[T, T], 1, T, "pg_rtrim({*})"),
    f("replace", &[T, T, T], T, "pg_replace({0}, {1}, {2})"),
    f("translate", &[T, T, T], T, "pg_translate({0}, {1}, {2})"),
    f("repeat", &[T, I4], T, "pg_repeat({0}, {1})"),
    f("reverse", &[T], T, "pg_reverse({0})"),
    f("strpos", &[T, T], I4, "pg_strpos({0}, {1})"),
    f("position", &[T, T], I4, "pg_strpos({1}, {0})"),
    f("starts_with", &[T, T], B, "pg_starts_with({0}, {1})"),
    f("split_part", &[T, T, I4], T, "pg_split_part({0}, {1}, {2})"),
    o("overlay", &[T, T, I4, I4], 3, T, "pg_overlay({*})"),
    f("to_hex", &[I4], T, "pg_to_hex4({0})"),
    f("to_hex", &[I8], T, "pg_to_hex8({0})"),
    f("quote_literal", &[T], T, "pg_quote_literal({0})"),
    f("quote_ident", &[T], T, "pg_quote_ident({0})"),
    o("string_to_array", &[T, T], 2, Ta, "pg_string_to_array({0}, {1})"),
    f("encode", &[By, T], T, "pg_encode({0}, {1})"),
    f("decode", &[T, T], By, "pg_decode({0}, {1})"),
    // Dates and times.
    f("now", &[], Tz, "pg_now()"),
    f("current_timestamp", &[], Tz, "pg_now()"),
    f("transaction_timestamp", &[], Tz, "pg_now()"),
    f("statement_timestamp", &[], Tz, "pg_now()"),
    f("clock_timestamp", &[], Tz, "pg_now()"),
    f("localtimestamp", &[], Ts, "pg_now()"),
    f("localtime", &[], Ti, "(pg_now() % 86400000000)"),
    f("current_date", &[], D, "pg_today()"),
    f("date_trunc", &[T, Ts], Ts, "pg_date_trunc({0}, {1})"),
    f("date_trunc", &[T, Tz], Tz, "pg_date_trunc_tz({0}, {1})"),
    f("date_trunc", &[T, Iv], Iv, "pg_interval_trunc({0}, {1})"),
    f("date_bin", &[Iv, Ts, Ts], Ts, "pg_date_bin({0}, {1}, {2})"),
    f("date_bin", &[Iv, Tz, Tz], Tz, "pg_date_bin({0}, {1}, {2})"),
    f("to_timestamp", &[F8], Tz, "pg_to_timestamp({0})"),
    f("make_date", &[I4, I4, I4], D, "pg_make_date({0}, {1}, {2})"),
    f("make_timestamp", &[I4, I4, I4, I4, I4, F8], Ts, "pg_make_timestamp({*})"),
    f("age", &[Ts, Ts], Iv, "pg_age({0}, {1})"),
    f("age", &[Tz, Tz], Iv, "pg_age({0}, {1})"),
    f("age", &[Ts], Iv, "pg_age(pg_today() * 86400000000, {0})"),
    f("age", &[Tz], Iv, "pg_age(pg_today() * 86400000000, {0})"),
    f("timezone", &[T, Ts], Tz, "pg_at_zone({0}, {1}, -1)"),
    f("timezone", &[T, Tz], Ts, "pg_at_zone({0}, {1}, 1)"),
    f("justify_days", &[Iv], Iv, "pg_justify_days({0})"),
    f("justify_hours", &[Iv], Iv, "pg_justify_hours({0})"),
    f("to_char", &[Ts, T], T, "pg_to_char({0}, {1})"),
    f("to_char", &[Tz, T], T, "pg_to_char({0}, {1})"),
    // Keys and sequences.
    f("gen_random_uuid", &[], U, "pg_random_uuid()"),
    f("uuidv4", &[], U, "pg_random_uuid()"),
    f("nextval", &[T], I8, "pg_nextval({0})"),
    f("currval", &[T], I8, "pg_currval({0})"),
    f("lastval", &[], I8, "pg_lastval()"),
    o("setval", &[T, I8, B], 2, I8, "pg_setval({*})"),
    // JSON.
    f("jsonb_typeof", &[Jb], T, "pg_json_typeof({0})"),
    f("json_typeof", &[J], T, "pg_json_typeof({0})"),
    f("jsonb_array_length", &[Jb], I4, "pg_json_array_length({0})"),
    f("json_array_length", &[J], I4, "pg_json_array_length({0})"),
    f("jsonb_strip_nulls", &[Jb], Jb, "pg_jsonb_strip_nulls({0})"),
    f("jsonb_pretty", &[Jb], T, "pg_jsonb_pretty({0})"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_of_a_template_is_a_parameter() {
        for signature in FUNCTIONS {
            for index in 0..10 {
                if signature.template.contains(&format!("{{{index}}}")) {
                    assert!(index < signature.parameters.len(), "{}", signature.name);
                }
            }
        }
    }

    #[test]
    fn kinds_that_are_listed_are_used() {
        assert_eq!(F4.types(), Some(PgType::Float4));
    }
}
