//! Parameters of a prepared statement: written in the corpus, sent in the binary protocol, or put into the text.
//!
//! Source: MySQL source documentation, "COM_STMT_EXECUTE".

use super::bytes::put_value;

#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    Null,
    Int(i64),
    Unsigned(u64),
    Double(f64),
    Text(String),
    /// Sent ahead by COM_STMT_SEND_LONG_DATA.
    Long(Vec<u8>),
}

mod kind {
    pub const DOUBLE: u8 = 0x05;
    pub const NULL: u8 = 0x06;
    pub const LONGLONG: u8 = 0x08;
    pub const BLOB: u8 = 0xfc;
    pub const VAR_STRING: u8 = 0xfd;
    pub const UNSIGNED: u8 = 0x80;
}

impl Parameter {
    fn type_bytes(&self) -> [u8; 2] {
        match self {
            Self::Null => [kind::NULL, 0],
            Self::Int(_) => [kind::LONGLONG, 0],
            Self::Unsigned(_) => [kind::LONGLONG, kind::UNSIGNED],
            Self::Double(_) => [kind::DOUBLE, 0],
            Self::Text(_) => [kind::VAR_STRING, 0],
            Self::Long(_) => [kind::BLOB, 0],
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null | Self::Long(_) => {}
            Self::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Unsigned(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Text(text) => put_value(out, text.as_bytes()),
        }
    }

    /// As a literal, for the text protocol.
    fn literal(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Double(value) => format!("{value:e}"),
            Self::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            Self::Long(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("x'{hex}'")
            }
        }
    }
}

/// NULL bitmap, types, values: the tail of COM_STMT_EXECUTE.
pub fn put(out: &mut Vec<u8>, parameters: &[Parameter]) {
    if parameters.is_empty() {
        return;
    }
    let mut nulls = vec![0_u8; parameters.len().div_ceil(8)];
    for (index, parameter) in parameters.iter().enumerate() {
        if *parameter == Parameter::Null {
            nulls[index / 8] |= 1 << (index % 8);
        }
    }
    out.extend_from_slice(&nulls);
    out.push(1);
    for parameter in parameters {
        out.extend_from_slice(&parameter.type_bytes());
    }
    for parameter in parameters {
        parameter.put(out);
    }
}

/// Puts literals where the `?`s are; the corpus has no `?` inside strings of such statements.
#[must_use]
pub fn splice(statement: &str, parameters: &[Parameter]) -> String {
    let mut literals = parameters.iter().map(Parameter::literal);
    let mut out = String::with_capacity(statement.len());
    for c in statement.chars() {
        match c {
            '?' => out.push_str(&literals.next().unwrap_or_else(|| "?".to_owned())),
            _ => out.push(c),
        }
    }
    out
}

/// Reads `1, 'abc', NULL, 1.5, u 18446744073709551615, long 'xyz'`; `None` if it is none of that.
#[must_use]
pub fn parse(list: &str) -> Option<Vec<Parameter>> {
    let mut rest = list.trim();
    let mut parameters = Vec::new();
    while !rest.is_empty() {
        let (parameter, tail) = parse_one(rest)?;
        parameters.push(parameter);
        rest = tail.trim_start().strip_prefix(',').unwrap_or(tail).trim();
    }
    Some(parameters)
}

fn parse_one(text: &str) -> Option<(Parameter, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, tail) = quoted.split_once('\'')?;
        return Some((Parameter::Text(value.to_owned()), tail));
    }
    if let Some(quoted) = text.strip_prefix("long '") {
        let (value, tail) = quoted.split_once('\'')?;
        return Some((Parameter::Long(value.as_bytes().to_vec()), tail));
    }
    let (word, tail) = text.split_at(text.find(',').unwrap_or(text.len()));
    let word = word.trim();
    let parameter = if word.eq_ignore_ascii_case("NULL") {
        Parameter::Null
    } else if let Some(unsigned) = word.strip_prefix("u ") {
        Parameter::Unsigned(unsigned.parse().ok()?)
    } else if let Ok(int) = word.parse() {
        Parameter::Int(int)
    } else {
        Parameter::Double(word.parse().ok()?)
    };
    Some((parameter, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_sent_and_spliced() {
        let list = parse("1, 'a,b', NULL, 1.5, u 7, long 'xy'").unwrap();
        assert_eq!(list.len(), 6);
        assert_eq!(splice("SELECT ?,?,?,?,?,?", &list), "SELECT 1,'a,b',NULL,1.5e0,7,x'7879'");
        let mut out = Vec::new();
        put(&mut out, &list);
        assert_eq!(out[0], 0b100, "only the third is NULL");
        assert!(parse("what").is_none());
    }
}
