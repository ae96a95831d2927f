//! The published OpenAPI document as a judge: every reply must be one that it describes, and nothing more.

use serde_json::{Value, json};

use super::Reply;

pub struct Document {
    whole: Value,
    /// The schemas, with every object closed, so that a field which the document lacks is found.
    closed: Value,
}

impl Document {
    pub fn new(whole: Value) -> Document {
        let mut closed = whole["components"].clone();
        close(&mut closed["schemas"]);
        Document { whole, closed }
    }

    /// Every operation of the document, as `GET /changes`.
    pub fn operations(&self) -> Vec<String> {
        let paths = self.whole["paths"].as_object().unwrap();
        let verbs = |(path, verbs): (&String, &Value)| {
            let verbs = verbs.as_object().unwrap().keys();
            verbs.map(|verb| format!("{} {path}", verb.to_uppercase())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(verbs).collect()
    }

    pub fn judge(&self, method: &str, path: &str, sent: Option<&[u8]>, reply: &Reply) {
        let what = format!("{method} {path} -> {}", reply.status);
        assert!(!reply.header("date").is_empty(), "{what}: no Date");
        assert_eq!(reply.header("retrosync-epoch").len(), 32, "{what}: no epoch");
        let Some(operation) = self.operation(method, path) else {
            assert_eq!(reply.code(), "not_found", "{what}: answers, and is not in the document");
            return;
        };
        let response = operation["responses"].get(reply.status.to_string());
        let mut response = response.unwrap_or(&operation["responses"]["default"]);
        if let Some(name) = response["$ref"].as_str() {
            response = self.whole.pointer(&name[1..]).unwrap();
        }
        let kind = reply.header("content-type");
        let Some(content) = response.get("content") else {
            assert!(reply.body.is_empty(), "{what}: a body that the document does not have");
            return;
        };
        let Some(described) = content.get(kind) else {
            panic!("{what}: `{kind}` is not in the document: {}", reply.text());
        };
        if response["headers"].get("RetroSync-Digest").is_some() {
            let digest = retrosync_protocol::Digest::of(&reply.body).to_string();
            assert_eq!(reply.header("retrosync-digest"), digest, "{what}: the digest of another body");
        }
        if kind.ends_with("json") {
            self.hold(&what, &described["schema"], &reply.json());
        }
        if reply.status >= 400 {
            assert_eq!(reply.json()["status"], reply.status, "{what}");
        } else if let (Some(sent), Some(schema)) =
            (sent, operation.pointer("/requestBody/content/application~1json/schema"))
        {
            self.hold(&what, schema, &serde_json::from_slice(sent).unwrap());
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (ours, theirs) = (template.split('/'), path.split('/'));
            ours.clone().count() == theirs.clone().count()
                && ours.zip(theirs).all(|(t, p)| t == p || t.starts_with('{'))
        };
        let paths = self.whole["paths"].as_object().unwrap();
        let found = paths.iter().find(|(template, _)| template.as_str() == path);
        let (_, verbs) = found.or_else(|| paths.iter().find(|(template, _)| fits(template)))?;
        verbs.get(method.to_lowercase())
    }

    fn hold(&self, what: &str, schema: &Value, value: &Value) {
        let schema = json!({"allOf": [schema], "components": self.closed});
        let judge = jsonschema::draft202012::new(&schema).unwrap();
        let faults: Vec<String> =
            judge.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{value:#}");
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object)
                && fields.get("type") == Some(&json!("object"))
            {
                fields.insert("additionalProperties".into(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
