//! The AsyncAPI 3 document of the topics, generated from the types. It lies in the repository;
//! the test fails when the two differ, and `UPDATE=1 cargo test -p events` writes it anew.

use envelope::CONTENT_TYPE;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::samples::{EachFact, WRITTEN_AT, each};
use crate::*;

/// Each topic, and what it promises.
const TOPICS: [(Topic, &str); 2] = [
    (
        PRERESERVATION,
        "All facts of one reservation lie in one partition, in the order of each producer; kept for ever.",
    ),
    (ACCOUNT, "All facts of one user lie in one partition, in their order; kept for ever."),
];

#[derive(Default)]
struct Described {
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    /// Topic and type, in the order of [`each`].
    types: Vec<(&'static str, &'static str)>,
}

impl EachFact for Described {
    fn fact<F: Fact + JsonSchema>(&mut self, fact: &F) {
        self.messages.insert(F::TYPE.to_owned(), message(fact));
        self.schemas.insert(F::TYPE.to_owned(), schema::<F>());
        self.types.push((F::TOPIC.name, F::TYPE));
    }
}

fn document() -> Value {
    let mut described = Described::default();
    each(&mut described);
    let Described { messages, mut schemas, types } = described;
    schemas.insert("headers".to_owned(), headers_schema());
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (Topic { name, .. }, description) in TOPICS {
        let own: Vec<&str> = types.iter().filter(|(topic, _)| *topic == name).map(|(_, own)| *own).collect();
        let of_component =
            |own: &&str| ((*own).to_owned(), json!({ "$ref": format!("#/components/messages/{own}") }));
        channels.insert(
            name.to_owned(),
            json!({
                "address": name,
                "description": description,
                "messages": own.iter().map(of_component).collect::<Map<_, _>>(),
                "bindings": { "kafka": { "topic": name, "bindingVersion": "0.5.0" } },
            }),
        );
        let of_channel = |own: &&str| json!({ "$ref": format!("#/channels/{name}/messages/{own}") });
        operations.insert(
            format!("{name}Facts"),
            json!({
                "action": "send",
                "channel": { "$ref": format!("#/channels/{name}") },
                "messages": own.iter().map(of_channel).collect::<Vec<_>>(),
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pre-reservation events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What prereservation, payment, receipt and account tell. Readers ignore unknown \
                fields, accept numbers as text, skip event types that they do not know, and read \
                the samples of every released version.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "default": { "host": "localhost:9092", "protocol": "kafka" },
            "docker": { "host": "my-kafka:9092", "protocol": "kafka" },
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message<F: Fact>(fact: &F) -> Value {
    let name = F::TYPE;
    let sample: Value =
        serde_json::from_slice(&Envelope::of(fact, WRITTEN_AT).payload).expect("a sample is JSON");
    json!({
        "name": name,
        "contentType": CONTENT_TYPE,
        "tags": [{ "name": F::PRODUCER }],
        "headers": { "$ref": "#/components/schemas/headers" },
        "payload": { "$ref": format!("#/components/schemas/{name}") },
        "bindings": { "kafka": {
            "key": { "type": "string", "description": F::TOPIC.key },
            "bindingVersion": "0.5.0",
        } },
        "examples": [{ "payload": sample }],
    })
}

/// What is written (a reader takes more): the fields of the type, and around them what
/// [`Envelope::of`] adds.
fn schema<F: Fact + JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft07().for_serialize();
    settings.inline_subschemas = true;
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<F>().to_value();
    let object = schema.as_object_mut().expect("a struct's schema");
    object.remove("$schema");
    let properties = object["properties"].as_object_mut().expect("fields");
    properties.insert("eventType".into(), json!({ "const": F::TYPE }));
    properties.insert(
        "timestamp".into(),
        json!({ "type": "integer", "format": "int64", "description": "Epoch milliseconds of the fact." }),
    );
    properties.insert("status".into(), json!({ "const": F::STATUS }));
    properties.insert(
        "version".into(),
        json!({
            "type": "integer",
            "format": "int64",
            "description": "Counts the changes of the reservation, payment, receipt or user; the newer fact wins.",
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
    struct Fit;
    impl EachFact for Fit {
        fn fact<F: Fact + JsonSchema>(&mut self, fact: &F) {
            let json = Envelope::of(fact, WRITTEN_AT).payload;
            let sample: Map<String, Value> = serde_json::from_slice(&json).expect("an object");
            let schema = schema::<F>();
            let mut named: Vec<&str> =
                schema["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
            let mut written: Vec<&str> = sample.keys().map(String::as_str).collect();
            named.sort_unstable();
            written.sort_unstable();
            assert_eq!(named, written, "{}", F::TYPE);
        }
    }
    each(&mut Fit);
}

#[test]
fn every_fact_lies_in_a_topic_that_is_described() {
    let mut described = Described::default();
    each(&mut described);
    for (topic, fact_type) in described.types {
        assert!(TOPICS.iter().any(|(known, _)| known.name == topic), "{fact_type} lies in {topic}");
    }
}
