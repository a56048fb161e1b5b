//! Bindings against recorded answers of the real servers, played by a scripted one.

use super::parse::parse;

#[test]
fn shipped_bindings_are_good() {
    let library = super::Library::load(&[]);
    let shown: Vec<String> = library
        .problems()
        .iter()
        .map(|d| format!("{:?}:{} {} {}", d.source.as_ref().map(|s| s.line), d.code, d.detail, d.source.as_ref().map_or("", |s| &s.text)))
        .collect();
    assert!(shown.is_empty(), "{shown:#?}");
    assert!(library.get("docker").is_some());
    let _ = parse;
}
