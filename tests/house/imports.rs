//! Who may import whom.

use crate::sources::{Source, below, names_the_api_server, none};

/// Room by room: which others it may name. `cli` and the programs may name all.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("crypto", &[]),
    ("intent", &["api"]),
    ("ownership", &["api"]),
    ("admission", &["api", "intent"]),
    ("trust", &["api", "crypto", "runtime"]),
    ("kafka", &["api", "crypto"]),
    ("runtime", &["api"]),
    ("watch", &["api", "intent", "ownership", "runtime"]),
    ("clusters", &["api", "kafka", "runtime", "watch"]),
    ("access", &["api", "clusters", "crypto", "intent", "kafka", "ownership", "runtime", "watch"]),
    ("topics", &["api", "clusters", "intent", "kafka", "ownership", "runtime", "watch"]),
    ("configmaps", &["api", "intent", "runtime", "watch"]),
    ("sweep", &["api", "clusters", "intent", "kafka", "runtime", "watch"]),
    ("operator", &["access", "api", "clusters", "configmaps", "runtime", "sweep", "topics", "watch"]),
    ("probe", &["api", "kafka"]),
];

/// Rooms that have no client of the API server. Answering a review writes nothing: who answers has nothing to write with.
const WITHOUT_API_SERVER: &[&str] = &["admission", "api", "crypto", "intent", "kafka", "ownership", "probe"];

/// The rooms that reconcile. They meet in the API server, never in the code.
const CONTROLLERS: &[&str] = &["access", "configmaps", "sweep", "topics"];

/// Single files that may see more than their room: the doors through which I/O enters.
const DOORS: &[(&str, &[&str])] = &[("src/admission/server.rs", &["runtime"]), ("src/admission/room.rs", &["runtime"])];

/// The room that a file lies in; none for the map and the programs.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "lib" | "bin" | "cli")).then_some(room)
}

/// The rooms that a file's code names, each with the line on which it does.
fn named(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<_> = source.code().collect();
    for (index, (number, line)) in lines.iter().enumerate() {
        for (start, _) in line.match_indices("crate::") {
            let rest = &line[start + "crate::".len()..];
            let rest: String = std::iter::once(rest).chain(lines[index + 1..].iter().map(|(_, line)| *line)).collect();
            let names = if let Some(group) = rest.strip_prefix('{') { heads(group) } else { vec![head(&rest)] };
            found.extend(names.into_iter().map(|name| (*number, name)));
        }
    }
    found
}

/// The identifier that a text begins with.
fn head(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The identifiers that the members of a brace group begin with; `text` begins behind the brace.
fn heads(text: &str) -> Vec<String> {
    let (mut depth, mut found) = (0, vec![head(text)]);
    for (index, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(head(&text[index + 1..])),
            _ => {}
        }
    }
    found
}

/// How many modules lie between a file and the root of the crate.
fn depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod").count()
}

fn complaints(source: &Source) -> Vec<String> {
    let Some(room) = room(&source.path) else { return Vec::new() };
    let Some((_, may)) = MAY_SEE.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: the room {room} is not in tests/house/imports.rs: say what it may see", source.path)];
    };
    let more = DOORS.iter().find(|(path, _)| *path == source.path).map_or(&[][..], |(_, more)| more);
    let way_out = "super::".repeat(depth(&source.path));
    let escapes = source.code().filter(|(_, line)| line.contains(&way_out));
    let escapes = escapes.map(|(number, line)| format!("{}:{number}: leaves the room by super:: {line}", source.path));
    let is_room = |name: &str| name == "cli" || MAY_SEE.iter().any(|(room, _)| *room == name);
    let may = |name: &str| name == room || may.contains(&name) || more.contains(&name);
    let strangers = named(source).into_iter().filter(|(_, name)| is_room(name) && !may(name));
    let strangers = strangers.map(|(number, name)| format!("{}:{number}: {room} may not see {name}", source.path));
    let speaks = |line: &str| WITHOUT_API_SERVER.contains(&room) && names_the_api_server(line);
    let clients = source.code().filter(|(_, line)| speaks(line));
    let clients = clients.map(|(number, line)| format!("{}:{number}: {room} has no API server: {line}", source.path));
    escapes.chain(strangers).chain(clients).collect()
}

#[test]
fn rooms_see_only_whom_they_may() {
    none(&below("src", ".rs").iter().flat_map(complaints).collect::<Vec<_>>());
}

/// Permissions that nobody uses: a room that is not there, or one that names no other of its list.
fn idle(sources: &[Source], may_see: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, may) in may_see {
        let of_room: Vec<_> = sources.iter().filter(|source| room(&source.path) == Some(name)).collect();
        if of_room.is_empty() {
            found.push(format!("there is no room {name}"));
        }
        let seen: Vec<String> = of_room.into_iter().flat_map(named).map(|(_, name)| name).collect();
        let unused = may.iter().filter(|other| !seen.iter().any(|seen| seen == *other));
        found.extend(unused.map(|other| format!("{name} does not name {other}, and need not be allowed to")));
    }
    found
}

#[test]
fn every_permission_is_used() {
    let sources = below("src", ".rs");
    let mut found = idle(&sources, MAY_SEE);
    for (path, may) in DOORS {
        let seen: Vec<_> = sources.iter().filter(|source| source.path == *path).flat_map(named).collect();
        let unused = may.iter().filter(|other| !seen.iter().any(|(_, seen)| seen == *other));
        found.extend(unused.map(|other| format!("{path} does not name {other}, and need not be allowed to")));
    }
    none(&found);
}

#[test]
fn controllers_never_see_each_other() {
    for (room, may) in MAY_SEE.iter().filter(|(room, _)| CONTROLLERS.contains(room)) {
        assert!(!may.iter().any(|other| CONTROLLERS.contains(other)), "{room}");
    }
}

#[test]
fn the_rule_sees_bad_examples() {
    for (path, text, complaint) in [
        ("src/admission/decide.rs", "use crate::kafka::Client;", "admission may not see kafka"),
        ("src/admission/decide.rs", "use crate::runtime::health;", "admission may not see runtime"),
        ("src/api/names.rs", "    let x = crate::intent::read();", "api may not see intent"),
        ("src/access/plan.rs", "use crate::topics::plan;", "access may not see topics"),
        ("src/access/plan.rs", "use crate::{api::{names, x}, topics};", "access may not see topics"),
        ("src/access/plan.rs", "use crate::{\n    api,\n    topics::plan,\n};", "access may not see topics"),
        ("src/access/plan.rs", "use super::super::topics;", "leaves the room"),
        ("src/access/mod.rs", "use super::topics;", "leaves the room"),
        ("src/crypto.rs", "use super::kafka;", "leaves the room"),
        ("src/kafka/tls.rs", "use crate::cli::x;", "kafka may not see cli"),
        ("src/garage/mod.rs", "", "is not in tests/house/imports.rs"),
        ("src/admission/server.rs", "use kube::{Client, ResourceExt};", "admission has no API server"),
        ("src/admission/decide.rs", "let pods = Api::<Pod>::all(client);", "admission has no API server"),
    ] {
        let found = complaints(&Source::new(path, text));
        assert!(found.iter().any(|found| found.contains(complaint)), "{path}: {text}: {found:?}");
    }
    let one = [Source::new("src/access/plan.rs", "use crate::{api::names, kafka};")];
    let found = idle(&one, &[("access", &["api", "crypto", "kafka"]), ("garage", &[])]);
    assert_eq!(found, ["access does not name crypto, and need not be allowed to", "there is no room garage"]);
    for (path, text) in [
        ("src/admission/server.rs", "use crate::runtime::health;"),
        ("src/admission/decide.rs", "// crate::kafka is not seen\nuse super::patch;\nuse crate::api::x;"),
        ("src/api/resources/topic.rs", "use super::super::names;"),
        ("src/cli/mod.rs", "use crate::kafka;"),
        ("src/watch/mod.rs", "use kube::{Api, Client};"),
        ("src/api/resources/topic.rs", "use kube::CustomResource;"),
    ] {
        assert_eq!(complaints(&Source::new(path, text)), [""; 0], "{path}");
    }
}
