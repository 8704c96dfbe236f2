//! Views against `docs/trace.schema.json`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/trace.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

/// What is wrong with a view; nothing, if it is as the schema says.
pub fn faults(view: &Value) -> Vec<String> {
    let faults = SCHEMA.iter_errors(view);
    faults.map(|fault| format!("{} at {}", fault, fault.instance_path())).collect()
}

#[track_caller]
pub fn assert_valid(what: &str, view: &Value) {
    let faults = faults(view);
    assert!(faults.is_empty(), "{what}: {faults:#?}\n{view}");
}
