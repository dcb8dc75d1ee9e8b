//! The AsyncAPI 3 document of the topic, generated from the types. It lies in the repository;
//! the test fails when the two differ, and `UPDATE=1 cargo test -p events` writes it anew.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::samples::{self, WRITTEN_AT};
use crate::*;

fn document() -> Value {
    let mut messages = Map::new();
    let mut schemas = Map::new();
    for event in &samples::today() {
        let name = event.event_type();
        messages.insert(name.to_owned(), message(event));
        schemas.insert(name.to_owned(), schema_of(event));
    }
    schemas.insert("headers".to_owned(), headers_schema());
    let references = |from: &str| -> Vec<Value> {
        Event::TYPES.iter().map(|name| json!({ "$ref": format!("{from}/{name}") })).collect()
    };
    let channel_messages: Map<String, Value> = Event::TYPES
        .iter()
        .map(|name| {
            let reference = json!({ "$ref": format!("#/components/messages/{name}") });
            ((*name).to_owned(), reference)
        })
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pre-reservation events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What prereservation, payment and receipt tell. Readers ignore unknown \
                fields, accept numbers as text, skip event types that they do not know, and read \
                the samples of every released version.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "default": { "host": "localhost:9092", "protocol": "kafka" },
            "docker": { "host": "my-kafka:9092", "protocol": "kafka" },
        },
        "channels": {
            TOPIC: {
                "address": TOPIC,
                "description": "All facts of one reservation lie in one partition, in the order \
                    of each producer; kept for ever.",
                "messages": channel_messages,
                "bindings": { "kafka": { "topic": TOPIC, "bindingVersion": "0.5.0" } },
            },
        },
        "operations": {
            "facts": {
                "action": "send",
                "channel": { "$ref": format!("#/channels/{TOPIC}") },
                "messages": references(&format!("#/channels/{TOPIC}/messages")),
            },
        },
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message(event: &Event) -> Value {
    let name = event.event_type();
    let sample: Value = serde_json::from_slice(&event.to_json(WRITTEN_AT)).expect("a sample is JSON");
    json!({
        "name": name,
        "contentType": CONTENT_TYPE,
        "tags": [{ "name": producer(event) }],
        "headers": { "$ref": "#/components/schemas/headers" },
        "payload": { "$ref": format!("#/components/schemas/{name}") },
        "bindings": { "kafka": {
            "key": { "type": "string", "description": "The reservation's id as text." },
            "bindingVersion": "0.5.0",
        } },
        "examples": [{ "payload": sample }],
    })
}

pub(crate) fn producer(event: &Event) -> &'static str {
    match event {
        Event::ReservationCreated(_) | Event::ReservationCancelled(_) => "prereservation",
        Event::PaymentCreated(_) | Event::PaymentCancelled(_) => "payment",
        Event::ReceiptCreated(_) | Event::ReceiptCancelled(_) => "receipt",
    }
}

fn schema_of(event: &Event) -> Value {
    match event {
        Event::ReservationCreated(_) => schema::<ReservationCreated>(event),
        Event::ReservationCancelled(_) => schema::<ReservationCancelled>(event),
        Event::PaymentCreated(_) => schema::<PaymentCreated>(event),
        Event::PaymentCancelled(_) => schema::<PaymentCancelled>(event),
        Event::ReceiptCreated(_) => schema::<ReceiptCreated>(event),
        Event::ReceiptCancelled(_) => schema::<ReceiptCancelled>(event),
    }
}

/// What is written (a reader takes more): the fields of the type, and around them what
/// [`Event::to_json`] adds.
fn schema<T: JsonSchema>(event: &Event) -> Value {
    let settings = SchemaSettings::draft07().for_serialize();
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    let object = schema.as_object_mut().expect("a struct's schema");
    object.remove("$schema");
    let properties = object["properties"].as_object_mut().expect("fields");
    for property in properties.values_mut() {
        // What a reader puts in where a producer older than the field left it out.
        property.as_object_mut().expect("a schema").remove("default");
    }
    properties.insert("eventType".into(), json!({ "const": event.event_type() }));
    properties.insert(
        "timestamp".into(),
        json!({ "type": "integer", "format": "int64", "description": "Epoch milliseconds of the fact." }),
    );
    properties.insert("status".into(), json!({ "const": event.status().as_str() }));
    properties.insert(
        "version".into(),
        json!({
            "type": "integer",
            "format": "int64",
            "description": "Counts the changes of the reservation, payment or receipt; the newer fact wins.",
        }),
    );
    let mut required: Vec<&String> = properties.keys().collect();
    required.sort();
    object["required"] = json!(required);
    schema
}

fn headers_schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": {
            "type": text("The event's name, as in the body's eventType."),
            "contentType": { "const": CONTENT_TYPE },
            "ce_id": text("With ce_source, names this record, a repeated delivery included."),
            "ce_source": text("The producer's name."),
            "ce_type": text("The event's name."),
            "ce_time": { "type": "string", "format": "date-time" },
            "ce_specversion": { "const": "1.0" },
            "traceparent": text("W3C trace context of the request that caused the fact."),
        },
        "required": ["type", "contentType", "ce_id", "ce_source", "ce_type", "ce_specversion"],
    })
}

#[test]
fn the_document_describes_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/asyncapi.json");
    let today = document();
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&today).expect("a tree");
        std::fs::write(path, text + "\n").expect("the repository can be written");
    }
    // Compared as trees: the order of keys depends on other crates' features of serde_json.
    let committed = std::fs::read(path).expect("the document");
    let committed: Value = serde_json::from_slice(&committed).expect("the document is JSON");
    assert!(
        committed == today,
        "events/asyncapi.json is not what the types say; UPDATE=1 cargo test -p events writes it"
    );
}

/// Each sample has exactly the fields that its schema names.
#[test]
fn the_samples_fit_their_schemas() {
    for event in samples::today() {
        let json = event.to_json(WRITTEN_AT);
        let sample: Map<String, Value> = serde_json::from_slice(&json).expect("an object");
        let schema = schema_of(&event);
        let mut named: Vec<&str> =
            schema["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
        let mut written: Vec<&str> = sample.keys().map(String::as_str).collect();
        named.sort_unstable();
        written.sort_unstable();
        assert_eq!(named, written, "{}", event.event_type());
    }
}
