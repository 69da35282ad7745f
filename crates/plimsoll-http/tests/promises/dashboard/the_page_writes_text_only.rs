//! The page's own scripts write text and never markup, ask only the service, and are few and small.

use super::Scene;
use crate::client::get;
use plimsoll_http::DashboardOptions;
use std::collections::BTreeSet;
use std::path::Path;

/// What makes markup or code of a text, or would ask another server.
const NEVER: [&str; 16] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "createContextualFragment",
    "DOMParser",
    "srcdoc",
    "setHTML",
    "eval(",
    "new Function",
    "javascript:",
    "import(",
    "http://",
    "https://",
    "document.cookie",
    "WebSocket",
];

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/page");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// What a text breaks.
fn broken(name: &str, text: &str) -> Vec<String> {
    let mut found: Vec<_> =
        NEVER.iter().filter(|word| text.contains(**word)).map(|word| format!("{name}: {word}")).collect();
    if name.ends_with(".html") {
        let inline = text
            .split("<script")
            .skip(1)
            .any(|rest| !rest.starts_with(" src=\"") && !rest.contains("src=\""));
        let handlers = [" style=", " onclick=", " onload=", "<style"].iter().any(|word| text.contains(word));
        if inline || handlers {
            found.push(format!("{name}: script or style inside the page"));
        }
    }
    found
}

#[test]
fn no_script_makes_markup_or_asks_elsewhere() {
    let own = files().into_iter().filter(|(name, _)| !name.starts_with("uplot.") && name != "icon.svg");
    let broken: Vec<_> = own.flat_map(|(name, text)| broken(&name, &text)).collect();
    assert_eq!(broken, Vec::<String>::new());
    // The library draws into a canvas.
    let library = files().into_iter().find(|(name, _)| name == "uplot.js").unwrap().1;
    for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
        assert!(!library.contains(word), "{word}");
    }
}

#[test]
fn one_that_does_is_found() {
    for (name, text) in [
        ("a.js", "node.innerHTML = name"),
        ("a.js", "fetch('https://elsewhere.example')"),
        ("a.html", "<script>go()</script>"),
        ("a.html", "<p style=\"color: red\">"),
    ] {
        assert!(!broken(name, text).is_empty(), "{text}");
    }
    assert!(broken("a.html", "<script src=\"a.js\"></script>").is_empty());
}

#[test]
fn each_module_is_small() {
    for (name, text) in files() {
        let lines = text.lines().count();
        if name.ends_with(".js") && name != "uplot.js" {
            assert!((20..=400).contains(&lines), "{name} has {lines} lines");
        }
    }
}

#[tokio::test]
async fn every_file_is_served_as_what_it_is() {
    let scene = Scene::start(DashboardOptions::default()).await;
    for (name, text) in files() {
        let answer = get(scene.at, &format!("/plimsoll/{name}"), &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, text.as_str()), "{name}");
        let kind = answer.header("content-type");
        let is_right = match name.rsplit('.').next().unwrap() {
            "js" => kind.starts_with("text/javascript"),
            "css" => kind.starts_with("text/css"),
            "svg" => kind == "image/svg+xml",
            "html" => kind.starts_with("text/html"),
            _ => kind.starts_with("text/plain"),
        };
        assert!(is_right && answer.header("x-content-type-options") == "nosniff", "{name}: {kind}");
    }
    // What the page and its modules name is there.
    let names: BTreeSet<String> = files().into_iter().map(|(name, _)| name).collect();
    for (of, text) in files().iter().filter(|(name, _)| !name.starts_with("uplot.")) {
        for named in text.split('"').filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
            assert!(names.contains(named.trim_start_matches("./")), "{of} names {named}");
        }
    }
    scene.end().await;
}
