//! Completion in the shells that people have, each asked in its own way.

use std::process::Command;

use harness::House;
use harness::house::MAYA;

use crate::cli::finish;
use crate::terminal::with_vestibule;

/// What somebody types, and to what the key for completion makes it where only one thing is meant.
const UNIQUE: [(&str, &str); 9] = [
    ("heal", "healthcheck"),
    ("config hi", "config history"),
    ("grant add ma", MAYA),
    ("session revoke --circuit pi", "--circuit pin"),
    ("logs acc", "logs access"),
    ("logs access circ", "circuit="),
    ("logs access circuit=pi", "circuit=pin"),
    ("logs access status=init", "status=initiated"),
    ("token revoke --admin op", "--admin ops"),
];

#[track_caller]
fn said(command: Command) -> String {
    let (code, out, err) = finish(command, "");
    assert_eq!(code, 0, "{err}");
    out
}

/// Types a line into zsh on a terminal of its own, completes it, and says what stands there then.
const TYPED: &str = r#"
zmodload zsh/zpty
folder=$(mktemp -d)
trap 'rm -rf $folder' EXIT
mkfifo $folder/line
exec {lines}<>$folder/line
zpty inner "zsh -f -i"
zpty -w inner "PS1=; autoload -Uz compinit; compinit -u -d $folder/dump; source <(vestibule completions zsh)"
zpty -w inner "tell() { print -r -- \"\$BUFFER\" >$folder/line; BUFFER= }; zle -N tell; bindkey '^X' tell; print >$folder/line"
read -u $lines
for typed; do
  zpty -wn inner "vestibule $typed"$'\t\x18'
  read -ru $lines line
  print -r -- "$line"
done
zpty -d inner
"#;

#[test]
#[ignore = "needs zsh; tests/run.sh installs it"]
fn zsh_completes_what_is_typed() {
    let house = House::start();
    let arguments = [vec!["-f", "-c", TYPED, "zsh"], UNIQUE.map(|(typed, _)| typed).to_vec()].concat();
    let out = said(with_vestibule(&house, "zsh", &arguments));
    let lines: Vec<_> = out.lines().map(str::trim_end).collect();
    assert_eq!(lines.len(), UNIQUE.len(), "{out}");
    for ((typed, completed), line) in UNIQUE.iter().zip(lines) {
        assert!(line.starts_with("vestibule ") && line.ends_with(completed), "{typed}: {line}");
    }
}

/// What fish proposes for a line, without what it says about it.
fn proposed_by_fish(house: &House, typed: &str) -> Vec<String> {
    let script = "source (vestibule completions fish | psub); complete -C $argv[1]";
    let line = format!("vestibule {typed}");
    let out = said(with_vestibule(house, "fish", &["--no-config", "-c", script, &line]));
    out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
#[ignore = "needs fish; tests/run.sh installs it"]
fn fish_proposes_what_may_be_meant() {
    let house = House::start();
    for (typed, completed) in UNIQUE {
        let word = completed.rsplit(' ').next().unwrap();
        assert_eq!(proposed_by_fish(&house, typed), [word], "{typed}");
    }
    let mut circuits = proposed_by_fish(&house, &format!("grant add {MAYA} "));
    circuits.retain(|word| !word.starts_with('-'));
    circuits.sort();
    assert_eq!(circuits, ["list", "mem", "pin", "pub", "pw"]);
}
