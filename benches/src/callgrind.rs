//! What callgrind writes: instructions by file and function.

use std::collections::HashMap;

/// Instructions of one function in one file, without those of what it calls.
/// Code that was inlined counts where it was written.
#[derive(Debug, PartialEq)]
pub(crate) struct Cost<'a> {
    pub(crate) file: &'a str,
    pub(crate) function: &'a str,
    pub(crate) instructions: f64,
}

/// Reads the costs of a profile.
pub(crate) fn read(profile: &str) -> Vec<Cost<'_>> {
    let (mut files, mut functions) = (HashMap::new(), HashMap::new());
    let (mut file, mut function, mut is_of_call) = ("", "", false);
    let mut costs = Vec::new();
    for line in profile.lines() {
        match line.split_once('=') {
            Some(("fl" | "fi" | "fe", name)) => file = resolve(name, &mut files),
            Some(("cfi" | "cfl", name)) => drop(resolve(name, &mut files)),
            Some(("fn", name)) => function = resolve(name, &mut functions),
            Some(("cfn", name)) => drop(resolve(name, &mut functions)),
            // The line after it has what the called one cost.
            Some(("calls", _)) => is_of_call = true,
            Some(_) => (),
            None => {
                let Some(instructions) = cost(line) else { continue };
                if !std::mem::take(&mut is_of_call) {
                    costs.push(Cost { file, function, instructions });
                }
            }
        }
    }
    costs
}

/// A name is written once, as `(5) name`, and from then on as `(5)`.
fn resolve<'a>(text: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match text.split_once(") ") {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text.trim_end_matches(')')).copied().unwrap_or_default(),
    }
}

/// The second word of `16 300`, `+2 300` or `* 300`.
fn cost(line: &str) -> Option<f64> {
    let (position, cost) = line.split_once(' ')?;
    let is_position = position.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
    if is_position { cost.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_function_itself() {
        let profile = "version: 1\nevents: Ir\n\nfl=(1) a.rs\nfn=(1) one\n16 300\n+2 7\n\
                       cfi=(2) b.rs\ncfn=(2) two\ncalls=1 5\n* 9000\n\nfl=(2)\nfn=(2)\n5 80\n\
                       fi=(1)\n6 1\n";
        let seen = read(profile);
        let cost = |file, function, instructions| Cost { file, function, instructions };
        let expected = [
            cost("a.rs", "one", 300.0),
            cost("a.rs", "one", 7.0),
            cost("b.rs", "two", 80.0),
            cost("a.rs", "two", 1.0),
        ];
        assert_eq!(seen, expected);
    }
}
