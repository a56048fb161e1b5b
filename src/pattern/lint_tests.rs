use crate::pattern::parse;

/// Code, line and detail of everything that is wrong with a text.
fn wrong(text: &str) -> Vec<String> {
    let all = match parse("f.yaml", text) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    all.iter()
        .map(|d| format!("{} {} {}", d.source.as_ref().map_or(0, |s| s.line), d.code.trim_start_matches("pattern::"), d.detail))
        .collect()
}

const TAIL: &str = "tests: [{parameters: {}}]\n";

#[test]
fn all_problems_of_a_file_come_together() {
    let text = "name: a b\ntitle: T\nverson: 2\nparameters:\n  size: {type: integr, required: true, default: 1}\n  two words: {type: string}\n  list: {type: array, items: {type: integer}, default: [x], because: y}\nresources:\n  - {server: docker, type: network, name: \"{{ nmae }}\", properties: {a: \"{{ size + }}\", b: \"${x\"}}\n";
    assert_eq!(
        wrong(text),
        [
            "3 unknown-key `verson` is not a key of a pattern.",
            "1 name `a b` is not a pattern name: only letters, digits, `-` and `_` are allowed.",
            "6 name `two words` is not a parameter name: only letters, digits, `-` and `_` are allowed.",
        ]
    );
    let text = text.replace("a b", "ab").replace("verson: 2\n", "").replace("  two words: {type: string}\n", "");
    assert_eq!(
        wrong(&text),
        [
            "4 schema The schema of `size` is not JSON Schema 2020-12: \"integr\" is not valid under any of the schemas listed in the 'anyOf' keyword.",
            "4 parameter `size` is required and has a default, which would never be used.",
            "4 no-question `size` is required and has no `ask`, so nobody can be asked for it.",
            "4 no-reason The review shows why a default was chosen; `size` does not say it in `because`.",
            "5 schema The default of `list` must be a whole number.",
            "7 undeclared `nmae` is no parameter, no local before this one, and no loop variable.",
            "7 expression Unexpected end of variable block.",
            "7 reference `${` is never closed with `}`; write `$${` for a literal `${`.",
            "4 unused-parameter Nothing that the pattern makes depends on `size`.",
            "5 unused-parameter Nothing that the pattern makes depends on `list`.",
            "7 no-tests A pattern says in `tests` which addresses it makes of which parameters.",
        ]
    );
}

#[test]
fn names_loops_and_directives_are_checked() {
    let text = format!(
        "name: p\ntitle: T\nscale: nothing\nparameters:\n  has: {{type: string}}\nlocals: {{x-y: 1, ok: \"{{{{ later }}}}\", later: 1}}\nchecks:\n  - {{that: \"true\", message: m, about: [nobody]}}\nresources:\n  - for_each: 2\n    as: index\n    server: docker\n    type: network\n    name: n\n    properties:\n      a: {{$each: 3, $value: 1}}\n      b: [{{$whne: 1, $value: 2}}]\n      c: {{$when: \"{{{{ ok }}}}\"}}\n  - {{server: docker, type: 'bad type', name: x}}\n{TAIL}"
    );
    assert_eq!(
        wrong(&text),
        [
            "19 name `bad type` is not a resource type: only letters, digits, `-` and `_` are allowed.",
            "5 name The parameter `has` has a name that expressions cannot use.",
            "5 undeclared `scale` names `nothing`, which is no parameter.",
            "8 undeclared `about` names `nobody`, which is no parameter.",
            "6 name The local `x-y` has a name that is taken or is not a word.",
            "6 undeclared `later` is no parameter, no local before this one, and no loop variable.",
            "10 name The loop's `as: index` is taken or is not a word.",
            "16 shape `$each` can stand only in an element of a list.",
            "17 unknown-key `$whne` is not a key of a directive (a map with `$` keys).",
            "18 shape A map with `$` keys needs `$value`.",
            "5 unused-parameter Nothing that the pattern makes depends on `has`.",
        ]
    );
}

#[test]
fn hints_name_what_was_meant() {
    let problems = parse("f.yaml", &format!("name: p\ntitle: T\nresorces: []\nresources: []\n{TAIL}")).unwrap_err();
    assert_eq!(problems[0].hints[0].text, "Did you mean `resources`?");
}

#[test]
fn rubbish_is_a_diagnostic() {
    for text in ["", "- a", "42", "name: x", "{", "name: [a]\ntitle: {}\nresources: 3\n", "name: p\ntitle: T\nresources: [1, {}, null]\n"] {
        assert!(!parse("f.yaml", text).unwrap_err().is_empty(), "{text}");
    }
}
