//! A JSON text as a tree without doubled keys, and the way from there to a type.
//!
//! The way is a deserializer of our own for one reason: its error type. serde
//! tells an unknown field from other mismatches by calling a function of the
//! error type, which serde_json's flattens into a sentence.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{claims_authority, invalid};
use crate::defaults;
use crate::refusal::{Refusal, Rule};

#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Why a tree is not of a type. It holds no text: what the caller sent must not
/// end up in a log by way of an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    UnknownField,
    Other,
}

/// Builds a [`Tree`] while serde_json reads the text.
#[derive(Clone, Copy)]
struct Builder<'a> {
    /// Lists and objects that may still be opened.
    depth: usize,
    /// Set when it was not the syntax that was refused.
    broken: &'a Cell<Option<(Rule, &'static str)>>,
}

// === impl Tree ===

impl Tree {
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let broken = Cell::new(None);
        let builder = Builder {
            depth: defaults::JSON_DEPTH,
            broken: &broken,
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        let tree = builder
            .deserialize(&mut reader)
            .and_then(|tree| reader.end().map(|()| tree));
        tree.map_err(|_| match broken.get() {
            Some((rule, note)) => Refusal::from(rule).note(note),
            None => invalid("the body is not one JSON text"),
        })
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::List(items) => {
                let mut items = SeqDeserializer::new(items.into_iter());
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Self::Object(fields) => {
                let mut fields = MapDeserializer::new(fields.into_iter());
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self {
            Self::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Self::Object(fields) if fields.len() == 1 => visitor.visit_enum(
                MapAccessDeserializer::new(MapDeserializer::new(fields.into_iter())),
            ),
            _ => Err(Mismatch::Other),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

// === impl Mismatch ===

impl Error for Mismatch {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self::Other
    }

    fn unknown_field(_field: &str, _expected: &'static [&'static str]) -> Self {
        Self::UnknownField
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownField => "unknown field",
            Self::Other => "unexpected shape",
        })
    }
}

// === impl Builder ===

impl Builder<'_> {
    fn refuse<E: Error>(self, rule: Rule, note: &'static str) -> E {
        self.broken.set(Some((rule, note)));
        E::custom(note)
    }

    /// One level further in.
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.refuse(Rule::InvalidJson, "the JSON is nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Tree, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let deeper = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(deeper)? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Tree, A::Error> {
        let deeper = self.deeper()?;
        let mut names = HashSet::new();
        let mut fields = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            if claims_authority(&name) {
                return Err(self.refuse(
                    Rule::AuthorityFieldRejected,
                    "a field of the body claims an authority",
                ));
            }
            if !names.insert(name.clone()) {
                return Err(self.refuse(Rule::InvalidJson, "a key came twice"));
            }
            fields.push((name, object.next_value_seed(deeper)?));
        }
        Ok(Tree::Object(fields))
    }
}
