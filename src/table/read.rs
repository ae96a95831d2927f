//! PURE. From a table to the structures that the rest of the program knows, by their derived `Deserialize`.
//!
//! Each kind of value has its own small way, so that a structure does not drag in the code for all kinds.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::{Entry, Node, Refusal, Table, Value};

impl Table {
    /// Reads a structure out of this table.
    ///
    /// # Errors
    /// The first key or value that does not fit, with its line.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Refusal> {
        T::deserialize(Here { line: 1, value: Shown::Table(self) })
    }
}

/// A value as the structures see it.
#[derive(Clone, Copy)]
struct Here<'de> {
    line: usize,
    value: Shown<'de>,
}

#[derive(Clone, Copy)]
enum Shown<'de> {
    Text(&'de str),
    Number(i64),
    Truth(bool),
    List(&'de [Node]),
    Table(&'de Table),
}

impl<'de> From<&'de Node> for Here<'de> {
    fn from(node: &'de Node) -> Here<'de> {
        let value = match &node.value {
            Value::Text(text) => Shown::Text(text),
            Value::Number(number) => Shown::Number(*number),
            Value::Truth(truth) => Shown::Truth(*truth),
            Value::List(nodes) | Value::Tables(nodes) => Shown::List(nodes),
            Value::Table(table) => Shown::Table(table),
        };
        Here { line: node.line, value }
    }
}

impl Here<'_> {
    fn wrong(&self, expected: &dyn Expected) -> Refusal {
        let found = match self.value {
            Shown::Text(text) => Unexpected::Str(text),
            Shown::Number(number) => Unexpected::Signed(number),
            Shown::Truth(truth) => Unexpected::Bool(truth),
            Shown::List(_) => Unexpected::Seq,
            Shown::Table(_) => Unexpected::Map,
        };
        <Refusal as de::Error>::invalid_type(found, expected).at(self.line)
    }
}

impl Refusal {
    /// The line, where it was not known yet.
    fn at(mut self, line: usize) -> Refusal {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.cause)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(cause: T) -> Refusal {
        Refusal { line: 0, cause: cause.to_string() }
    }
}

impl<'de> Deserializer<'de> for Here<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Text(_) => self.deserialize_str(visitor),
            Shown::Number(_) => self.deserialize_i64(visitor),
            Shown::Truth(_) => self.deserialize_bool(visitor),
            Shown::List(_) => self.deserialize_seq(visitor),
            Shown::Table(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Text(text) => visitor.visit_borrowed_str(text).map_err(|e: Refusal| e.at(self.line)),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Number(number) => visitor.visit_i64(number).map_err(|e: Refusal| e.at(self.line)),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Truth(truth) => visitor.visit_bool(truth),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::List(nodes) => visitor.visit_seq(Items(nodes)).map_err(|e| e.at(self.line)),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Table(table) => visitor.visit_map(Pairs(table.entries())).map_err(|e| e.at(self.line)),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.value {
            Shown::Text(text) => {
                let variant: StrDeserializer<'_, Refusal> = text.into_deserializer();
                visitor.visit_enum(variant).map_err(|e| e.at(self.line))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_i64(visitor)
    }

    /// A key that is there has a value.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct identifier ignored_any
    }
}

struct Items<'de>(&'de [Node]);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize(Here::from(first)).map(Some)
    }
}

struct Pairs<'de>(&'de [Entry]);

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(entry) = self.0.first() else { return Ok(None) };
        seed.deserialize(Here { line: entry.line, value: Shown::Text(&entry.key) }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(<Refusal as de::Error>::custom("a key without a value"));
        };
        self.0 = rest;
        seed.deserialize(Here::from(&first.node))
    }
}
