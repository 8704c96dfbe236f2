//! Lists of attributes.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

/// Attributes in the making.
#[derive(Debug, Default)]
pub(crate) struct List(pub(crate) Vec<KeyValue>);

impl List {
    pub(crate) fn put(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 });
    }

    pub(crate) fn text(&mut self, key: &str, text: impl Into<String>) {
        self.put(key, Value::StringValue(text.into()));
    }

    pub(crate) fn some_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// What is larger than a signed integer can be is cut; `carried` then has it in full.
    pub(crate) fn count(&mut self, key: &str, count: u64) {
        self.put(key, Value::IntValue(i64::try_from(count).unwrap_or(i64::MAX)));
    }

    pub(crate) fn number(&mut self, key: &str, number: f64) {
        self.put(key, Value::DoubleValue(number));
    }

    /// Only what is true is said.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) {
        if flag {
            self.put(key, Value::BoolValue(true));
        }
    }

    /// Nothing for no texts.
    pub(crate) fn texts<'t>(&mut self, key: &str, texts: impl IntoIterator<Item = &'t str>) {
        let string = |text: &str| AnyValue { value: Some(Value::StringValue(text.to_owned())) };
        let values: Vec<AnyValue> = texts.into_iter().map(string).collect();
        if !values.is_empty() {
            self.put(key, Value::ArrayValue(ArrayValue { values }));
        }
    }
}

/// Attributes that are read.
pub(crate) struct Found<'a>(pub(crate) &'a [KeyValue]);

impl<'a> Found<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        match self.get(key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::IntValue(count) => u64::try_from(*count).ok(),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::DoubleValue(number) => Some(*number),
            Value::IntValue(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::BoolValue(true)))
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<&'a str> {
        match self.get(key) {
            Some(Value::ArrayValue(array)) => array
                .values
                .iter()
                .filter_map(|value| match &value.value {
                    Some(Value::StringValue(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            Some(Value::StringValue(text)) => vec![text],
            _ => Vec::new(),
        }
    }
}
