//! Each Pod's answer against its golden file.

use std::fmt::Write;
use std::fs;

use serde::Serialize;
use serde_json::Value;

use crate::pods;
use crate::review::{Verdict, send};

/// An answer as it is read in review.
#[derive(Serialize)]
struct Golden<'a> {
    outcome: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patch: Vec<Operation<'a>>,
}

#[derive(Serialize)]
struct Operation<'a> {
    add: &'a str,
    value: &'a Value,
}

fn golden(verdict: &Verdict) -> String {
    let operation = |operation: &'_ Value| -> Option<(String, Value)> {
        let fields = operation.as_object()?;
        (fields.len() == 3 && fields["op"] == "add")
            .then(|| (fields["path"].as_str().unwrap().to_owned(), fields["value"].clone()))
    };
    let operations: Vec<(String, Value)> =
        verdict.patch.iter().map(|op| operation(op).expect("nothing but additions")).collect();
    let golden = Golden {
        outcome: format!("{:?}", verdict.outcome),
        allowed: verdict.allowed,
        message: verdict.status.as_ref().map(|status| &*status.message),
        warnings: &verdict.warnings,
        patch: operations.iter().map(|(add, value)| Operation { add, value }).collect(),
    };
    serde_saphyr::to_string(&golden).unwrap()
}

#[test]
fn every_answer_is_as_its_golden_file_has_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut faults = String::new();
    for case in pods::all() {
        let path = pods::directory("golden").join(format!("{}.yaml", case.name));
        let found = golden(&send(&case.pod));
        if update {
            fs::write(&path, &found).unwrap();
            continue;
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        if wanted != found {
            write!(faults, "\n== {} ==\n-- golden --\n{wanted}-- found --\n{found}", case.name).unwrap();
        }
    }
    assert!(faults.is_empty(), "UPDATE_GOLDEN=1 accepts what follows:\n{faults}");
}

#[test]
fn every_golden_file_has_its_pod() {
    assert_eq!(pods::names(&pods::directory("golden")), pods::names(&pods::directory("pods")));
}
