//! Who wants to hear what: found by subject, without a look at the others.

use crate::subject::{Subject, SubjectPattern};
use std::collections::HashMap;

/// Values by pattern. A subject is looked up token by token, so the time it
/// takes depends on what matches and not on how much there is.
#[derive(Debug)]
pub(crate) struct Subscriptions<T> {
    root: Node<T>,
    count: usize,
}

#[derive(Debug)]
struct Node<T> {
    below: HashMap<Box<str>, Self>,
    below_any: Option<Box<Self>>,
    /// Of patterns that end here.
    here: Vec<T>,
    /// Of patterns that end here with `>`.
    rest: Vec<T>,
}

impl<T> Default for Subscriptions<T> {
    fn default() -> Self {
        Self { root: Node::default(), count: 0 }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { below: HashMap::new(), below_any: None, here: Vec::new(), rest: Vec::new() }
    }
}

impl<T> Subscriptions<T> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a value under a pattern, where there may be others.
    pub(crate) fn add(&mut self, pattern: &SubjectPattern, value: T) {
        let mut node = &mut self.root;
        self.count += 1;
        for token in pattern.tokens() {
            node = match token {
                ">" => return node.rest.push(value),
                "*" => node.below_any.get_or_insert_default(),
                token => node.below.entry(token.into()).or_default(),
            };
        }
        node.here.push(value);
    }

    /// Takes the values under a pattern away that are meant.
    pub(crate) fn remove(&mut self, pattern: &SubjectPattern, is_meant: impl Fn(&T) -> bool) {
        let tokens: Vec<&str> = pattern.tokens().collect();
        self.count -= self.root.remove(&tokens, &is_meant);
    }

    /// Calls with each value whose pattern covers a subject.
    pub(crate) fn each<'t>(&'t self, subject: &Subject, mut call: impl FnMut(&'t T)) {
        let tokens: Vec<&str> = subject.tokens().collect();
        self.root.each(&tokens, &mut call);
    }
}

impl<T> Node<T> {
    fn each<'t>(&'t self, tokens: &[&str], call: &mut impl FnMut(&'t T)) {
        let Some((first, after)) = tokens.split_first() else {
            return self.here.iter().for_each(call);
        };
        self.rest.iter().for_each(&mut *call);
        if let Some(below) = self.below.get(*first) {
            below.each(after, call);
        }
        if let Some(below) = &self.below_any {
            below.each(after, call);
        }
    }

    /// Gives how many are gone. What is empty then is taken away with them.
    fn remove(&mut self, tokens: &[&str], is_meant: &impl Fn(&T) -> bool) -> usize {
        let take = |values: &mut Vec<T>| {
            let before = values.len();
            values.retain(|value| !is_meant(value));
            before - values.len()
        };
        match tokens.split_first() {
            None => take(&mut self.here),
            Some((&">", _)) => take(&mut self.rest),
            Some((&"*", after)) => {
                let Some(below) = &mut self.below_any else { return 0 };
                let gone = below.remove(after, is_meant);
                if below.is_empty() {
                    self.below_any = None;
                }
                gone
            }
            Some((first, after)) => {
                let Some(below) = self.below.get_mut(*first) else { return 0 };
                let gone = below.remove(after, is_meant);
                if below.is_empty() {
                    self.below.remove(*first);
                }
                gone
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.below.is_empty()
            && self.below_any.is_none()
            && self.here.is_empty()
            && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> SubjectPattern {
        SubjectPattern::parse(text).unwrap()
    }

    fn found(all: &Subscriptions<usize>, subject: &str) -> Vec<usize> {
        let mut found = Vec::new();
        all.each(&Subject::parse(subject).unwrap(), |value| found.push(*value));
        found.sort_unstable();
        found
    }

    #[test]
    fn what_is_taken_away_leaves_nothing_behind() {
        let mut all = Subscriptions::default();
        for (value, text) in ["a.b", "a.*", "a.>", ">", "a.b"].into_iter().enumerate() {
            all.add(&pattern(text), value);
        }
        assert_eq!(found(&all, "a.b"), [0, 1, 2, 3, 4]);
        assert_eq!(found(&all, "a"), [3]);
        all.remove(&pattern("a.b"), |value| *value == 4);
        all.remove(&pattern("b.*.c"), |_| true);
        assert_eq!((found(&all, "a.b"), all.len()), (vec![0, 1, 2, 3], 4));
        for text in ["a.b", "a.*", "a.>", ">"] {
            all.remove(&pattern(text), |_| true);
        }
        assert!(all.root.is_empty());
        assert_eq!(all.len(), 0);
    }

    proptest! {
        /// The tree finds what looking at every pattern finds.
        #[test]
        fn nothing_is_missed_and_nothing_is_made_up(
            patterns in prop::collection::vec("([abc*]\\.){0,3}[abc*>]", 1..20),
            subject in "([abc]\\.){0,3}[abc]",
        ) {
            let mut all = Subscriptions::default();
            let subject_there = Subject::parse(&subject).unwrap();
            let mut expected = Vec::new();
            for (value, text) in patterns.iter().enumerate() {
                all.add(&pattern(text), value);
                if pattern(text).covers(&subject_there) {
                    expected.push(value);
                }
            }
            prop_assert_eq!(found(&all, &subject), expected);
        }
    }
}
